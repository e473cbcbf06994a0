# Checks whether the data suffice for the model.

check_model <- function(spec, random, fixed, checks) {
  check_response(spec$y, fixed, checks$response_not_const)
  n <- count_spec_rows(spec)
  p <- count_columns(spec$x) + sum(fixed$large$is_column)
  check_counts(n, p, spec$sigma)
  check_terms(random, n, checks, spec)
  check_products_fit(spec, random)
  if (checks$scalex != "ignore") {
    check_scale(column_matrix(spec$x, length(spec$y)), checks$scalex)
  }
}

check_terms <- function(random, n, checks, spec) {
  known_sigma <- !has_residual(spec)
  for (term in random) {
    check_term(term, n, checks, known_sigma)
  }
  if (!known_sigma && checks$nobs_vs_rankz != "ignore") {
    check_rank_z(spec, checks$nobs_vs_rankz)
  }
}

# Whether a residual variance is estimated, which must be identified besides those of random
# effects.
has_residual <- function(spec) {
  if (is.null(spec$glmm)) {
    is.null(spec$sigma)
  } else {
    is_dispersed(spec$glmm$family)
  }
}

# The number of observations; rows may have counts.
count_spec_rows <- function(spec) {
  if (is.null(spec$counts)) length(spec$y) else sum(spec$counts)
}

check_response <- function(y, fixed, policy) {
  is_varied <- y[1L] != y[length(y)] || any(y != y[1L])
  if (policy == "ignore" || is_varied) {
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

#' Checks whether the variances of a term's effects and the residual variance are identified
#'
#' With a known sigma one observation for each level suffices; so does one for each effect if the
#' effects share a correlation.
#' @noRd
check_term <- function(term, n, checks, known_sigma) {
  levels <- length(term$levels)
  if (levels < 2L) {
    signal_one_level(term, checks$nlev_gtr_1)
  } else if (levels < 5L) {
    signal_few_levels(term, checks$nlev_gtreq_5)
  }
  if (!known_sigma) {
    check_replication(term, n, checks)
  }
}

check_replication <- function(term, n, checks) {
  levels <- length(term$levels)
  effects <- levels * length(term$columns)
  if (levels >= n) {
    signal_many_levels(term, n, checks$nobs_vs_nlev)
  }
  # With one effect for each level this equals the check of the number of levels.
  if (effects >= n && effects > levels && !has_rho(term$structure)) {
    signal_many_effects(term, effects, n, checks$nobs_vs_nre)
  }
}

signal_one_level <- function(term, policy) {
  text <- tick(term_text(term))
  group <- tick(term$group)
  signal(
    policy,
    c(
      sprintf("The grouping factor of %s must have at least 2 levels.", text),
      x = sprintf("%s has 1 level, \"%s\".", group, term$levels),
      i = "Leave the term out?"
    ),
    "nlev_gtr_1"
  )
}

signal_few_levels <- function(term, policy) {
  text <- tick(term_text(term))
  signal(
    policy,
    c(
      sprintf("The grouping factor of %s has fewer than 5 levels.", text),
      x = paste0(tick(term$group), " has ", length(term$levels), ".")
    ),
    "nlev_gtreq_5"
  )
}

signal_many_levels <- function(term, n, policy) {
  signal(
    policy,
    c(
      sprintf(
        "The grouping factor of %s must have fewer levels than there are observations.",
        tick(term_text(term))
      ),
      x = sprintf(
        "%s has %s for %s.",
        tick(term$group),
        plural(length(term$levels), "level"),
        plural(n, "observation")
      ),
      i = paste(
        "With one observation per level its variance can't be distinguished",
        "from that of the residuals."
      ),
      i = "Use `rlmm_control(check_nobs_vs_nlev = \"ignore\")` to fit all the same."
    ),
    "nobs_vs_nlev"
  )
}

signal_many_effects <- function(term, effects, n, policy) {
  signal(
    policy,
    c(
      sprintf(
        "The term %s must have fewer random effects than there are observations.",
        tick(term_text(term))
      ),
      x = sprintf(
        "It has %s for %s.",
        plural(effects, "random effect"),
        plural(n, "observation")
      ),
      i = "Use `rlmm_control(check_nobs_vs_nre = \"ignore\")` to fit all the same."
    ),
    "nobs_vs_nre"
  )
}

# The rank of Z, which is expensive, is only computed if the check is requested.
check_rank_z <- function(spec, policy) {
  n <- length(spec$y)
  z <- do.call(cbind, lapply(spec$terms, sparse_z))
  is_spared <- endsWith(policy, "Small") && prod(dim(z)) > 1e6
  if (ncol(z) < n || !is.null(spec$sigma) || is_spared) {
    return(invisible())
  }
  rank <- as.integer(Matrix::rankMatrix(z, method = "qr", warn.t = FALSE))
  if (rank >= n) {
    signal_rank_z(rank, n, sub("Small$", "", policy))
  }
}

signal_rank_z <- function(rank, n, policy) {
  observations <- plural(n, "observation")
  signal(
    policy,
    c(
      "The random effects must have fewer independent columns than there are observations.",
      x = sprintf("Their rank is %s, for %s.", format_count(rank), observations)
    ),
    "nobs_vs_rankz"
  )
}

sparse_z <- function(core_term) {
  n <- length(core_term$refs)
  z <- column_matrix(core_term$z, n)
  k <- ncol(z)
  first <- (core_term$refs - 1L) * k
  Matrix::sparseMatrix(
    i = rep(seq_len(n), k),
    j = rep(first, k) + rep(seq_len(k), each = n),
    x = as.vector(z),
    dims = c(n, k * core_term$n_levels)
  )
}

# Checks the scales of covariates by lme4's rule: the standard deviations (except those of
# indicators) must not differ by more than a factor of 1000 from each other or from 1.
check_scale <- function(x, policy) {
  is_indicator <- apply(x, 2L, \(column) all(column %in% c(0, 1)))
  covariates <- x[, !is_indicator, drop = FALSE]
  sd <- apply(covariates, 2L, stats::sd)
  if (length(sd) == 0L) {
    return(invisible())
  }
  if (max(sd, 1) / min(sd, 1) <= 1e3) {
    return(invisible())
  }
  is_extreme <- sd == max(sd) | sd == min(sd)
  signal_scale(sd[is_extreme], scale_policy(policy))
}

# The policy without lme4's rescaling of columns, which isn't done here.
scale_policy <- function(policy) {
  switch(
    policy,
    `message+rescale` = "message",
    `warn+rescale` = "warning",
    silent.rescale = "ignore",
    policy
  )
}

signal_scale <- function(sd, policy) {
  names <- enumerate(tick(names(sd)))
  values <- enumerate(format(sd, digits = 3L))
  signal(
    policy,
    c(
      "Some covariates are on very different scales.",
      x = sprintf("The standard deviations of %s are %s.", names, values),
      i = "Rescale them to make the estimates easier to read?"
    ),
    "scalex"
  )
}
