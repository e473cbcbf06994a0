# Checks of arguments, of the data, and of the model against the data.

is_number <- function(x) is.numeric(x) && length(x) == 1L && !is.na(x)

check_flag <- function(x, arg) {
  if (is.logical(x) && length(x) == 1L && !is.na(x)) {
    return(invisible(x))
  }
  abort_rlmm(
    c(
      paste0("`", arg, "` must be `TRUE` or `FALSE`."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

#' One of the allowed values, also abbreviated; the default is all of them, of which the first is meant
#' @noRd
one_of <- function(value, allowed, arg) {
  if (identical(value, allowed)) {
    return(allowed[1])
  }
  found <- if (is.character(value) && length(value) == 1L) {
    pmatch(value, allowed)
  } else {
    NA
  }
  if (!is.na(found)) {
    return(allowed[found])
  }
  abort_rlmm(
    c(
      paste0(
        "`",
        arg,
        "` must be ",
        enumerate(dQuote(allowed, FALSE), last = "or"),
        "."
      ),
      x = paste0("It is ", describe_type(value), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

check_sigma <- function(sigma) {
  if (is.null(sigma)) {
    return(invisible())
  }
  if (is_number(sigma) && is.finite(sigma) && sigma > 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`sigma` must be `NULL` or one positive number.",
      x = paste0("It is ", describe_type(sigma), ".")
    ),
    "rlmm_error_argument",
    arg = "sigma"
  )
}

#' A standard deviation or a tolerance
#' @noRd
check_nonnegative <- function(x, arg) {
  if (is_number(x) && is.finite(x) && x >= 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0("`", arg, "` must be one number, zero or positive."),
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = arg
  )
}

check_digits <- function(digits) {
  if (is_number(digits) && digits >= 1 && digits <= 22) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`digits` must be a number from 1 to 22.",
      x = paste0("It is ", describe_type(digits), ".")
    ),
    "rlmm_error_argument",
    arg = "digits"
  )
}

check_verbose <- function(verbose) {
  is_one <- (is.logical(verbose) || is_number(verbose)) && length(verbose) == 1L
  if (is_one && !is.na(verbose) && verbose >= 0) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`verbose` must be one number, not negative.",
      x = paste0("It is ", describe_type(verbose), ".")
    ),
    "rlmm_error_argument",
    arg = "verbose"
  )
}

check_data <- function(data) {
  ok <- is.null(data) ||
    is.data.frame(data) ||
    is.environment(data) ||
    (is.list(data) &&
      !is.object(data) &&
      (length(data) == 0L || !is.null(names(data))))
  if (ok) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`data` must be a data frame, a list, or an environment.",
      x = paste0("It is ", describe_type(data), "."),
      if (is.matrix(data) || is.object(data)) c(i = "Use `as.data.frame()`?")
    ),
    "rlmm_error_argument",
    arg = "data"
  )
}

#' Arguments that `rlmm()` doesn't have
#' @noRd
check_dots <- function(..., fitter = "rlmm") {
  if (...length() == 0L) {
    return(invisible())
  }
  names <- ...names() %||% character(...length())
  names[is.na(names)] <- ""
  if ("family" %in% names && fitter == "rlmm") {
    check_family(list(...)[[match("family", names)]])
    names <- setdiff(names, "family")
    if (length(names) == 0L) return(invisible())
  }
  found <- if (nzchar(names[1])) tick(names[1]) else "an unnamed argument"
  abort_rlmm(
    c(
      paste0("`", fitter, "()` was given an argument that it doesn't have."),
      x = paste0("It is ", found, "."),
      if (nzchar(names[1])) {
        did_you_mean(
          names[1],
          setdiff(names(formals(fitter_function(fitter))), "...")
        )
      }
    ),
    "rlmm_error_unknown_argument",
    arg = names[1]
  )
}

fitter_function <- function(name) {
  list(rlmm = rlmm, rglmm = rglmm, rglmm_nb = rglmm_nb)[[name]]
}

check_family <- function(family) {
  if (is.function(family)) {
    family <- family()
  }
  name <- if (inherits(family, "family")) {
    family$family
  } else {
    as.character(family)[1]
  }
  link <- if (inherits(family, "family")) family$link else "identity"
  if (identical(name, "gaussian") && identical(link, "identity")) {
    return(inform_rlmm(
      "`family` is ignored: `rlmm()` always fits a linear model.",
      "rlmm_message_family"
    ))
  }
  abort_rlmm(
    c(
      "`rlmm()` fits linear models only.",
      x = paste0("`family` is ", name, "."),
      i = "Use `rglmm()`?"
    ),
    "rlmm_error_family"
  )
}

#' Theta to start from, in the order of the model
#' @noRd
check_start <- function(start, random) {
  if (is.null(start)) {
    return(NULL)
  }
  if (is.list(start)) {
    unknown <- setdiff(names(start), "theta")
    if (length(unknown) > 0L || is.null(start$theta)) {
      abort_rlmm(
        c(
          "`start` must be a numeric vector or a list with the element `theta`.",
          if (length(unknown) > 0L) {
            c(x = paste0("It has the element ", enumerate(tick(unknown)), "."))
          }
        ),
        "rlmm_error_start"
      )
    }
    start <- start$theta
  }
  if (!is.numeric(start)) {
    abort_rlmm(
      c(
        "`start` must be numeric.",
        x = paste0("It is ", describe_type(start), ".")
      ),
      "rlmm_error_start"
    )
  }
  names <- theta_names(random)
  if (length(start) != length(names)) {
    abort_rlmm(
      c(
        paste0(
          "`start` must hold ",
          plural(length(names), "value"),
          " of theta, not ",
          length(start),
          "."
        ),
        i = paste0(
          "In order: ",
          enumerate(paste0("\"", names, "\""), max = 10L),
          "."
        )
      ),
      "rlmm_error_start",
      expected = names
    )
  }
  if (!all(is.finite(start))) {
    abort_rlmm(
      c(
        "`start` must hold finite numbers.",
        x = paste0(
          "Not finite: element ",
          enumerate(which(!is.finite(start))),
          "."
        )
      ),
      "rlmm_error_start"
    )
  }
  as.double(start)
}

# The model against the data ------------------------------------------------

check_model <- function(spec, random, fixed, checks) {
  check_response(spec$y, fixed, checks$response_not_const)
  n <- length(spec$y)
  check_counts(n, count_columns(spec$x), spec$sigma)
  known_sigma <- !is.null(spec$sigma) ||
    (!is.null(spec$glmm) && !spec$glmm$family %in% dispersion_families)
  for (entry in random) {
    check_term(entry, n, checks, known_sigma)
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
check_term <- function(entry, n, checks, known_sigma) {
  levels <- length(entry$levels)
  effects <- levels * length(entry$columns)
  term <- tick(term_text(entry))
  group <- tick(entry$group)
  if (levels < 2L) {
    signal(
      checks$nlev_gtr_1,
      c(
        paste0(
          "The grouping factor of ",
          term,
          " must have at least 2 levels."
        ),
        x = paste0(group, " has 1 level, \"", entry$levels, "\"."),
        i = "Leave the term out?"
      ),
      "nlev_gtr_1"
    )
  } else if (levels < 5L) {
    signal(
      checks$nlev_gtreq_5,
      c(
        paste0("The grouping factor of ", term, " has fewer than 5 levels."),
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
          term,
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
  if (effects >= n && effects > levels && !has_rho(entry$structure)) {
    signal(
      checks$nobs_vs_nre,
      c(
        paste0(
          "The term ",
          term,
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

sparse_z <- function(term) {
  n <- length(term$refs)
  z <- column_matrix(term$z, n)
  k <- ncol(z)
  Matrix::sparseMatrix(
    i = rep(seq_len(n), k),
    j = (rep(term$refs, k) - 1L) * k + rep(seq_len(k), each = n),
    x = as.vector(z),
    dims = c(n, k * term$n_levels)
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
