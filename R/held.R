# Parameters held at given values by `rlmm_control(fixed = )`.

# Sigma -----------------------------------------------------------------------

#' The known sigma, from the argument `sigma` or from `fixed`
#' @noRd
known_sigma <- function(sigma, control) {
  held <- control$fixed$sigma
  if (is.null(held) || is.null(sigma) || held == sigma) {
    return(sigma %||% held)
  }
  abort_argument(
    "`sigma` and `fixed$sigma` must not differ.",
    x = paste0("They are ", format(sigma), " and ", format(held), "."),
    arg = "fixed",
    class = "rlmm_error_fixed"
  )
}

# Fixed effects ---------------------------------------------------------------

#' The named held coefficients
#' @param fixed The fixed part with the `names` of its columns and those of `dropped` ones.
#' @noRd
held_beta <- function(control, fixed) {
  held <- control$fixed$beta
  if (is.null(held)) {
    return(NULL)
  }
  unknown <- setdiff(names(held), fixed$names)
  if (length(unknown) > 0L) {
    abort_held_beta(unknown[1L], fixed)
  }
  coded <- intersect(
    names(held),
    coding_dependent_coefficients(list(fixed = fixed))
  )
  if (length(coded) > 0L) {
    what <- paste("Holding", enumerate(tick(coded)))
    abort_if_coded(list(fixed = fixed), what)
  }
  stats::setNames(as.double(held), names(held))
}

abort_held_beta <- function(name, fixed) {
  quoted <- dQuote(name, FALSE)
  known <- enumerate(dQuote(fixed$names, FALSE), max = 10L)
  has_none <- length(fixed$names) == 0L
  abort_argument(
    "`fixed$beta` must name coefficients of the model.",
    x = if (name %in% fixed$dropped) {
      paste(quoted, "was dropped: its column depends linearly on the others.")
    } else {
      sprintf("There is no %s.", quoted)
    },
    i = if (has_none) "It has none." else sprintf("They are %s.", known),
    arg = "fixed",
    class = "rlmm_error_fixed",
    name = name
  )
}

#' Whether each coefficient is estimated
#' @noRd
free_beta <- function(fit) {
  !names(fit$beta) %in% names(fit$held)
}

n_free_beta <- function(fit) length(fit$beta) - length(fit$held)

#' The number of estimated coefficients, including those of levels of large factors
#' @noRd
n_coefficients <- function(fit) n_free_beta(fit) + n_levels_fixed(fit$fixed)

# The inverse of R_X for the free coefficients.
inverse_root <- function(fit) {
  p <- n_free_beta(fit)
  if (p > 0L) backsolve(fit$rx, diag(p)) else matrix(0, 0L, 0L)
}

# Theta and covariances -------------------------------------------------------

#' The held elements of theta
#' @param sigma The known sigma; if it is estimated, covariances are held as theta times sigma.
#' @return A list: `index`, the positions in theta, and `value`; `absolute` and `absolute_value`,
#'   the same for theta times sigma.
#' @noRd
held_theta <- function(control, random, sigma = NULL) {
  given <- control$fixed
  held <- held_elements(given$theta, random)
  for (name in names(given$cov)) {
    term <- random[[find_term(name, random)]]
    if (any(term$theta %in% c(held$index, held$absolute))) {
      abort_held_twice(term)
    }
    held <- with_held_term(held, term, given$cov[[name]], sigma)
  }
  held
}

# The elements of theta that are held by name.
held_elements <- function(theta, random) {
  held <- list(
    index = integer(),
    value = double(),
    absolute = integer(),
    absolute_value = double()
  )
  if (length(theta) > 0L) {
    held$index <- theta_index(names(theta), random)
    held$value <- as.double(theta)
    check_range(theta, held$index, random)
  }
  held
}

# The positions of named elements in theta.
theta_index <- function(names, random) {
  known <- theta_names(random)
  index <- match(names, known)
  if (anyNA(index)) {
    abort_held_name(names[is.na(index)][1L], known)
  }
  index
}

# Adds all parameters of a term to the held ones. Correlations don't depend on the scale.
with_held_term <- function(held, term, covariance, sigma) {
  theta <- covariance_theta(term, covariance)
  is_scale <- is_scale(term)
  is_absolute <- is.null(sigma) & is_scale
  relative <- ifelse(is_scale, theta / (sigma %||% 1), theta)
  held$index <- c(held$index, term$theta[!is_absolute])
  held$value <- c(held$value, relative[!is_absolute])
  held$absolute <- c(held$absolute, term$theta[is_absolute])
  held$absolute_value <- c(held$absolute_value, theta[is_absolute])
  held
}

check_range <- function(theta, index, random) {
  ranges <- do.call(rbind, lapply(random, theta_range))
  range <- ranges[index, , drop = FALSE]
  outside <- which(theta < range[, "lower"] | theta > range[, "upper"])
  if (length(outside) > 0L) {
    abort_held_value(theta[outside[1L]], range[outside[1L], ])
  }
}

#' The number of the term with a label: "Days | Subject", "(1 + Days | Subject)", or the grouping
#' factor if it has one term
#' @noRd
find_term <- function(name, random) {
  labels <- vapply(random, `[[`, "", "label")
  at <- which(plain_label(labels) == plain_label(name))
  if (length(at) == 0L) {
    at <- which(vapply(random, `[[`, "", "group") == name)
  }
  if (length(at) != 1L) {
    abort_no_term(name, length(at), labels)
  }
  at
}

abort_no_term <- function(name, n, labels) {
  found <- if (n == 0L) "is none." else "stands for several."
  known <- enumerate(dQuote(labels, FALSE), max = 10L)
  abort_argument(
    "`fixed$cov` must name terms of the model.",
    x = paste(dQuote(name, FALSE), found),
    i = paste0("They are ", known, "."),
    arg = "fixed",
    class = "rlmm_error_fixed",
    name = name
  )
}

# The label of a term for comparison, without spaces, the function around the bar and the intercept.
plain_label <- function(x) {
  x <- gsub("[[:space:]]", "", x)
  around <- paste0(
    "^(",
    paste(names(structure_calls), collapse = "|"),
    "|)\\((.*)\\)$"
  )
  x <- sub(",(hom=)?(TRUE|FALSE)$", "", sub(around, "\\2", x))
  sub("^1[+](?=.*[|])", "", x, perl = TRUE)
}

#' The parameters of a term for a covariance matrix, with residual standard deviation one
#' @noRd
covariance_theta <- function(term, covariance) {
  k <- length(term$columns)
  if (length(covariance) == 1L && k == 1L) {
    covariance <- matrix(covariance)
  }
  check_covariance_shape(term, covariance, k)
  covariance <- unname(covariance)
  check_semidefinite(term, covariance)
  theta <- nearest_theta(term, covariance)
  check_same_structure(term, covariance, theta)
  theta
}

check_covariance_shape <- function(term, covariance, k) {
  is_square <- is.matrix(covariance) && all(dim(covariance) == k)
  if (!is_square) {
    problem <- sprintf("must be a matrix of %s x %s numbers.", k, k)
    abort_covariance(term, problem, describe_shape(covariance))
  }
  bad <- covariance[!is.finite(covariance)]
  if (length(bad) > 0L) {
    found <- paste("a matrix with", format(bad[1L]))
    abort_covariance(term, "must be finite.", found)
  }
}

describe_shape <- function(x) {
  if (is.matrix(x)) {
    paste(dim(x), collapse = " x ")
  } else {
    describe_type(x)
  }
}

# Checks that a covariance is symmetric and positive semidefinite; negative eigenvalues of the size
# of rounding errors count as zero.
check_semidefinite <- function(term, covariance) {
  if (!isSymmetric(covariance)) {
    found <- describe_asymmetry(covariance)
    abort_covariance(term, "must be symmetric.", found)
  }
  values <- eigen(covariance, symmetric = TRUE, only.values = TRUE)$values
  if (min(values) < -1e-10 * max(abs(covariance))) {
    abort_indefinite(term, values)
  }
}

abort_indefinite <- function(term, values) {
  if (length(values) == 1L) {
    abort_covariance(term, "must not be negative.", format(values))
  }
  smallest <- format(min(values), digits = 4L)
  found <- paste("a matrix with the eigenvalue", smallest)
  abort_covariance(term, "must be positive semi-definite.", found)
}

# Checks that a covariance has the structure of its term, that is, that this theta reproduces it.
check_same_structure <- function(term, covariance, theta) {
  all <- replace(numeric(max(term$theta)), term$theta, theta)
  nearest <- tcrossprod(lambda_block(term, all))
  difference <- max(abs(nearest - covariance))
  if (difference > 1e-7 * max(abs(covariance))) {
    abort_other_structure(term, covariance, nearest)
  }
}

abort_other_structure <- function(term, covariance, nearest) {
  call <- structured_call(
    term$structure,
    quote(effects | group),
    term$called
  )
  written <- tick(deparse_one(call))
  difference <- describe_difference(covariance, nearest)
  abort_covariance(
    term,
    sprintf("must have the structure of the term, %s.", written),
    paste("a matrix of another structure; the nearest has", difference)
  )
}

describe_asymmetry <- function(matrix) {
  difference <- abs(matrix - t(matrix))
  at <- arrayInd(which.max(difference), dim(matrix))
  paste(
    "a matrix with",
    format(matrix[at]),
    "and",
    format(matrix[at[, 2:1, drop = FALSE]]),
    "on its two sides"
  )
}

describe_difference <- function(given, nearest) {
  at <- arrayInd(which.max(abs(given - nearest)), dim(given))
  paste0(
    format(nearest[at]),
    " for ",
    format(given[at]),
    " at [",
    at[1L],
    ", ",
    at[2L],
    "]"
  )
}

abort_covariance <- function(term, problem, found) {
  abort_argument(
    paste0(
      "The covariance of ",
      tick(term_text(term)),
      " in `fixed$cov` ",
      problem
    ),
    x = paste0("It is ", found, "."),
    arg = "fixed",
    term = term$label,
    class = "rlmm_error_fixed"
  )
}

abort_held_twice <- function(term) {
  abort_argument(
    "`fixed` must hold each parameter once.",
    x = paste0(
      "The covariance of ",
      tick(term_text(term)),
      " is held twice, or elements of its theta too."
    ),
    arg = "fixed",
    class = "rlmm_error_fixed"
  )
}

abort_held_name <- function(name, known) {
  abort_argument(
    "`fixed` must name parameters of the model.",
    x = paste0("There is no ", dQuote(name, FALSE), "."),
    i = they_are(dQuote(known, FALSE)),
    arg = "fixed",
    name = name,
    class = "rlmm_error_fixed"
  )
}

abort_held_value <- function(value, range) {
  abort_argument(
    "A value in `fixed` must lie in the parameter space.",
    x = paste0(
      dQuote(names(value), FALSE),
      " is ",
      format(value[[1L]], digits = 4L),
      "."
    ),
    i = paste0(
      "It lies between ",
      format(range[[1L]], digits = 4L),
      " and ",
      format(range[[2L]], digits = 4L),
      "."
    ),
    arg = "fixed",
    class = "rlmm_error_fixed"
  )
}

# For the core and for the fit ------------------------------------------------

fit_held <- function(fit) {
  if (is.null(fit$control$fixed)) {
    return(list())
  }
  held_theta(fit$control, fit$random, if (fit$known_sigma) fit$sigma)
}

held_index <- function(fit) as.integer(fit_held(fit)$index)

n_held <- function(fit) {
  held <- fit_held(fit)
  length(held$index) + length(held$absolute)
}

#' Whether sigma is an additional parameter besides theta, because a covariance is held on the scale
#' of the response
#' @noRd
has_free_scale <- function(fit) {
  !fit$known_sigma && !is.null(fit$control$fixed$cov)
}

#' Whether all parameters of each term are held
#' @noRd
held_terms <- function(fit) {
  held <- fit_held(fit)
  held <- c(held$index, held$absolute)
  if (length(held) == 0L) {
    return(logical(length(fit$random)))
  }
  vapply(fit$random, \(term) all(term$theta %in% held), NA)
}
