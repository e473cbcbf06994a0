# Contrasts of large factors other than treatment contrasts with the first level as the base.
#
# The core always uses treatment contrasts with the first level as the base. With a contrast matrix
# C, the coefficients are (1, C)^-1 mu for level means mu. The first row w of that inverse defines
# the intercept w' mu: equal weights for sum and Helmert contrasts, weight one of the base level for
# treatment contrasts. A fit stores w' mu in `beta` and the deviation of each level from it in
# `levels`, so that X beta plus the level of the row is the linear predictor under every coding.
# Slopes by level have the coding of their factor; the coefficient of their covariate is the mean of
# the slopes with weights w.

# The largest number of levels for contrasts given by a matrix, since their coefficients need a
# dense solve.
max_matrix_coded_levels <- 2000L

#' The contrasts of the levels of a variable
#' @param levels The levels of the variable.
#' @return A list: `kind`; `base`, the number of the level without a column (treatment contrasts);
#'   `matrix` (contrasts of no named kind); and `names`, the suffixes of the columns' names. `NULL`
#'   if the contrasts don't span all differences of the levels, or if a matrix would be too large.
#' @noRd
level_coding_of <- function(name, frame, contrasts, levels) {
  given <- contrasts[[unquoted(name)]]
  own <- attr(frame_variable(name, frame), "contrasts")
  coding <- given %||% own %||% getOption("contrasts")[[1L]]
  if (is.matrix(coding)) {
    matrix_coding(coding, length(levels))
  } else {
    function_coding(coding, levels)
  }
}

# The coding of contrasts that are given by a function or its name.
function_coding <- function(coding, levels) {
  n <- length(levels)
  kind <- Find(\(name) is_contrast_function(coding, name), named_codings)
  if (is.null(kind)) {
    made <- if (n <= max_matrix_coded_levels) match.fun(coding)(levels)
    return(if (is.matrix(made)) matrix_coding(made, n))
  }
  switch(
    kind,
    contr.treatment = base_coding(1L, levels[-1L]),
    contr.SAS = base_coding(n, levels[-n]),
    contr.sum = list(kind = "sum", names = seq_len(n - 1L)),
    contr.helmert = list(kind = "helmert", names = seq_len(n - 1L))
  )
}

base_coding <- function(base, names) {
  list(kind = "treatment", base = base, names = names)
}

# The coding of the core: treatment contrasts with the first level as the base.
core_coding <- base_coding(1L, NULL)

named_codings <- c("contr.treatment", "contr.SAS", "contr.sum", "contr.helmert")

is_contrast_function <- function(coding, name) {
  identical(coding, name) || identical(coding, getExportedValue("stats", name))
}

# The coding of contrasts that are given by a matrix: it needs n - 1 columns, and (1, C) full rank.
matrix_coding <- function(matrix, n) {
  if (!identical(dim(matrix), c(n, n - 1L)) || !all(is.finite(matrix))) {
    return(NULL)
  }
  names <- colnames(matrix) %||% seq_len(n - 1L)
  base <- base_of_matrix(matrix)
  if (!is.null(base)) {
    return(base_coding(base, names))
  }
  if (identical(c(matrix), c(stats::contr.sum(n)))) {
    return(list(kind = "sum", names = names))
  }
  if (n <= max_matrix_coded_levels && qr(cbind(1, matrix))$rank == n) {
    list(kind = "matrix", matrix = unname(matrix), names = names)
  }
}

# The base level of a matrix of treatment contrasts; `NULL` for other contrasts.
base_of_matrix <- function(matrix) {
  base <- which(rowSums(matrix != 0) == 0)
  n <- nrow(matrix)
  if (length(base) == 1L && all(matrix[-base, ] == diag(n - 1L))) base
}

#' Whether a coding is that of the core: treatment contrasts with the first level as the base
#' @noRd
is_core_coding <- function(coding) {
  identical(coding$kind, "treatment") && coding$base == 1L
}

#' The weights w of the level means in the intercept
#' @noRd
coding_weights <- function(coding, n) {
  switch(
    coding$kind,
    treatment = as.double(seq_len(n) == coding$base),
    matrix = solve(t(cbind(1, coding$matrix)), as.double(seq_len(n) == 1L)),
    rep(1 / n, n)
  )
}

#' The coefficients of the contrasts, C^-1 applied to the deviations of the levels
#' @param levels The deviation of each level from the intercept.
#' @noRd
contrast_coefficients <- function(coding, levels) {
  n <- length(levels)
  switch(
    coding$kind,
    treatment = levels[-coding$base],
    sum = levels[-n],
    helmert = {
      before <- seq_len(n - 1L)
      (levels[-1L] - cumsum(levels)[before] / before) / (before + 1)
    },
    matrix = solve(cbind(1, coding$matrix), levels)[-1L]
  )
}

#' The log-determinant of (1, C): the factor by which the determinant of X'X differs from that under
#' treatment contrasts is its square
#' @noRd
coding_log_det <- function(coding, n) {
  switch(
    coding$kind,
    treatment = 0,
    sum = log(n),
    helmert = lgamma(n + 1),
    matrix = as.double(determinant(cbind(1, coding$matrix))$modulus)
  )
}

# Codings of a fit ---------------------------------------------------------------

#' The large factors and slopes whose coding isn't that of the core
#' @noRd
coded_factors <- function(large) {
  if (is.null(large)) {
    return(list())
  }
  Filter(\(own) !is.null(own$coding), large$factors)
}

#' Whether some coefficients of a fit differ from those of the core because of their contrasts
#' @noRd
is_coded <- function(fit) length(coded_factors(fit$fixed$large)) > 0L

#' Adds the coding to a large factor, unless it is that of the core or each level has a column
#' @noRd
with_coding <- function(own, coding) {
  is_coded <- own$has_base && !is_core_coding(coding)
  if (is_coded) {
    coding$names <- own$coded
    coding$weights <- coding_weights(coding, length(own$levels))
    own$coding <- coding
  }
  own$coded <- NULL
  own
}

#' The difference that the contrasts make in log |X'V^-1 X|, and thereby in the REML criterion:
#' 2 log |(1, C)|, summed over the factors
#' @noRd
criterion_of_coding <- function(large) {
  added <- 0
  for (own in coded_factors(large)) {
    added <- added + 2 * coding_log_det(own$coding, length(own$levels))
  }
  added
}

#' The estimates of the core with the REML criterion under the user's contrasts
#' @noRd
coded_objective <- function(est, design) {
  added <- criterion_of_coding(design$fixed$large)
  if (added != 0) {
    est$log_det_fe <- est$log_det_fe + added
    is_reml <- isTRUE(design$spec$reml)
    est$objective <- est$objective + is_reml * added
    est$optsum$fmin <- est$optsum$fmin + is_reml * added
  }
  est
}

#' The coefficients under the user's contrasts, from those of the core
#' @param estimates A list with `beta`, with names, and `levels`.
#' @noRd
in_own_coding <- function(estimates, large) {
  for (own in coded_factors(large)) {
    mean <- sum(own$coding$weights * estimates$levels[own$at])
    estimates <- shift_to_intercept(estimates, own, mean)
  }
  estimates
}

#' The coefficients of the core, with zeros for the base levels, from those of a fit
#' @noRd
in_core_coding <- function(fit) {
  estimates <- fit[c("beta", "levels")]
  for (own in coded_factors(fit$fixed$large)) {
    base <- estimates$levels[own$at[1L]]
    estimates <- shift_to_intercept(estimates, own, base)
  }
  estimates
}

shift_to_intercept <- function(estimates, own, mean) {
  estimates$levels[own$at] <- estimates$levels[own$at] - mean
  at <- own$margin
  estimates$beta[[at]] <- estimates$beta[[at]] + mean
  estimates
}

#' The names of the coefficients that depend on the contrasts of large factors: the intercept and
#' the coefficients of covariates with slopes by level
#' @noRd
coding_dependent_coefficients <- function(fit) {
  unique(unlist(lapply(coded_factors(fit$fixed$large), `[[`, "margin")))
}

#' Whether the data determine the coefficients of all contrasts: every level needs a column, and the
#' intercept (or the covariate of slopes) too
#' @param names The names of the ordinary columns.
#' @param is_column Whether each level has a column in the core.
#' @noRd
are_codings_estimable <- function(large, names, is_column) {
  all(vapply(
    coded_factors(large),
    \(own) own$margin %in% names && all(is_column[own$at[-1L]]),
    NA
  ))
}
