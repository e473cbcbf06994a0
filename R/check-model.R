# Checks of the model against the data.

check_model <- function(spec, random, fixed, checks) {
  check_response(spec$y, fixed, checks$response_not_const)
  n <- length(spec$y)
  check_counts(n, count_columns(spec$x), spec$sigma)
  known_sigma <- !is.null(spec$sigma) ||
    (!is.null(spec$glmm) && !spec$glmm$family %in% dispersion_families)
  for (term in random) {
    check_term(term, n, checks, known_sigma)
  }
  if (!known_sigma && checks$nobs_vs_rankz != "ignore") {
    check_rank_z(spec, checks$nobs_vs_rankz)
  }
  if (checks$scalex != "ignore") {
    check_scale(column_matrix(spec$x, n), checks$scalex)
  }
}

check_response <- function(y, fixed, policy) {
  if (policy == "ignore" || y[1L] != y[length(y)] || any(y != y[1L])) {
    return(invisible())
  }
  name <- deparse_one(attr(fixed$terms, "variables")[[2L]])
  signal(
    policy,
    c(
      "The response must not be constant.",
      x = paste0("Every value of ", tick(name), " is ", y[1L], ".")
    ),
    "response_not_const"
  )
}

check_counts <- function(n, p, sigma) {
  if (n > p || !is.null(sigma)) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The model must have more observations than fixed effects.",
      x = paste0(
        "There are ",
        plural(n, "observation"),
        " and ",
        plural(p, "fixed effect"),
        "."
      )
    ),
    "rlmm_error_too_few_observations"
  )
}

#' Whether the data can tell a term's effects from each other and from the residuals
#'
#' With a known sigma one observation per level is enough; so is one per effect where they share a correlation.
#' @noRd
check_term <- function(term, n, checks, known_sigma) {
  levels <- length(term$levels)
  effects <- levels * length(term$columns)
  text <- tick(term_text(term))
  group <- tick(term$group)
  if (levels < 2L) {
    signal(
      checks$nlev_gtr_1,
      c(
        paste0(
          "The grouping factor of ",
          text,
          " must have at least 2 levels."
        ),
        x = paste0(group, " has 1 level, \"", term$levels, "\"."),
        i = "Leave the term out?"
      ),
      "nlev_gtr_1"
    )
  } else if (levels < 5L) {
    signal(
      checks$nlev_gtreq_5,
      c(
        paste0("The grouping factor of ", text, " has fewer than 5 levels."),
        x = paste0(group, " has ", levels, ".")
      ),
      "nlev_gtreq_5"
    )
  }
  if (known_sigma) {
    return(invisible())
  }
  if (levels >= n) {
    signal(
      checks$nobs_vs_nlev,
      c(
        paste0(
          "The grouping factor of ",
          text,
          " must have fewer levels than there are observations."
        ),
        x = paste0(
          group,
          " has ",
          plural(levels, "level"),
          " for ",
          plural(n, "observation"),
          "."
        ),
        i = "With one observation per level its variance can't be told from that of the residuals.",
        i = "Use `rlmm_control(check_nobs_vs_nlev = \"ignore\")` to fit all the same."
      ),
      "nobs_vs_nlev"
    )
  }
  # For one effect per level it is the same check.
  if (effects >= n && effects > levels && !has_rho(term$structure)) {
    signal(
      checks$nobs_vs_nre,
      c(
        paste0(
          "The term ",
          text,
          " must have fewer random effects than there are observations."
        ),
        x = paste0(
          "It has ",
          plural(effects, "random effect"),
          " for ",
          plural(n, "observation"),
          "."
        ),
        i = "Use `rlmm_control(check_nobs_vs_nre = \"ignore\")` to fit all the same."
      ),
      "nobs_vs_nre"
    )
  }
}

# The rank of Z is at most its number of columns, and costly: it is only computed where asked for.
check_rank_z <- function(spec, policy) {
  n <- length(spec$y)
  z <- do.call(cbind, lapply(spec$terms, sparse_z))
  small <- endsWith(policy, "Small")
  if (ncol(z) < n || !is.null(spec$sigma) || (small && prod(dim(z)) > 1e6)) {
    return(invisible())
  }
  rank <- Matrix::rankMatrix(z, method = "qr", warn.t = FALSE)
  if (rank < n) {
    return(invisible())
  }
  signal(
    sub("Small$", "", policy),
    c(
      "The random effects must have fewer independent columns than there are observations.",
      x = paste0(
        "Their rank is ",
        format_count(as.integer(rank)),
        ", for ",
        plural(n, "observation"),
        "."
      )
    ),
    "nobs_vs_rankz"
  )
}

sparse_z <- function(core_term) {
  n <- length(core_term$refs)
  z <- column_matrix(core_term$z, n)
  k <- ncol(z)
  Matrix::sparseMatrix(
    i = rep(seq_len(n), k),
    j = (rep(core_term$refs, k) - 1L) * k + rep(seq_len(k), each = n),
    x = as.vector(z),
    dims = c(n, k * core_term$n_levels)
  )
}

# lme4's rule: standard deviations of covariates (not of indicators) more than a factor of 1000 apart, or from 1.
check_scale <- function(x, policy) {
  covariate <- apply(x, 2L, function(column) !all(column %in% c(0, 1)))
  sd <- apply(x[, covariate, drop = FALSE], 2L, stats::sd)
  if (length(sd) == 0L || max(sd, 1) / min(sd, 1) <= 1e3) {
    return(invisible())
  }
  policy <- switch(
    policy,
    `message+rescale` = "message",
    `warn+rescale` = "warning",
    silent.rescale = "ignore",
    policy
  )
  far <- names(sd)[sd == max(sd) | sd == min(sd)]
  values <- enumerate(format(sd[far], digits = 3L))
  signal(
    policy,
    c(
      "Some covariates are on very different scales.",
      x = paste0(
        "The standard deviations of ",
        enumerate(tick(far)),
        " are ",
        values,
        "."
      ),
      i = "Rescale them to make the estimates easier to read?"
    ),
    "scalex"
  )
}
