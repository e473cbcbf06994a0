# Large factors by contrasts other than treatment contrasts with the first level as the base.
#
# The core has the levels by treatment contrasts, whatever their coding. With the contrasts C the
# coefficients are (1, C)^-1 mu of the level means mu. The first row of the inverse, w, says which
# mean of the levels is the intercept: all alike for sum and Helmert contrasts, and the base alone
# for treatment contrasts. A fit has w' mu in `beta`, and in `levels` what each level differs from
# it by: X beta plus the level of the row is the linear predictor in any coding. Slopes by level are
# coded like their factor, and the coefficient of their covariate is the mean of them that w says.

# A matrix of contrasts has so many levels at most, as its coefficients take a solve.
most_coded_by_matrix <- 2000L

#' How the levels of a variable are coded
#' @param levels Its levels.
#' @return A list: `kind`; `base`, of treatment contrasts the number of the level without a column;
#'   `matrix`, of other ones; and `names`, what the names of the columns have after the variable's.
#'   `NULL` where the contrasts don't span all differences of the levels, or are too many.
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

# The coding that a function of the levels makes, or one of its name.
function_coding <- function(coding, levels) {
  n <- length(levels)
  kind <- Find(\(name) is_contrast_function(coding, name), named_codings)
  if (is.null(kind)) {
    made <- if (n <= most_coded_by_matrix) match.fun(coding)(levels)
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

# The coding of the core.
usual_coding <- base_coding(1L, NULL)

named_codings <- c("contr.treatment", "contr.SAS", "contr.sum", "contr.helmert")

is_contrast_function <- function(coding, name) {
  identical(coding, name) || identical(coding, getExportedValue("stats", name))
}

# The coding that a matrix says, if it has a column for each level but one, and full rank.
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
  if (n <= most_coded_by_matrix && qr(cbind(1, matrix))$rank == n) {
    list(kind = "matrix", matrix = unname(matrix), names = names)
  }
}

# The level that all others are compared with, in their order; `NULL` of other contrasts.
base_of_matrix <- function(matrix) {
  base <- which(rowSums(matrix != 0) == 0)
  n <- nrow(matrix)
  if (length(base) == 1L && all(matrix[-base, ] == diag(n - 1L))) base
}

#' Whether the first level is what the others are compared with, as the core has it
#' @noRd
is_usual_coding <- function(coding) {
  identical(coding$kind, "treatment") && coding$base == 1L
}

#' The weight of each level in the mean that the intercept is
#' @noRd
coding_weights <- function(coding, n) {
  switch(
    coding$kind,
    treatment = as.double(seq_len(n) == coding$base),
    matrix = solve(t(cbind(1, coding$matrix)), as.double(seq_len(n) == 1L)),
    rep(1 / n, n)
  )
}

#' The coefficients of the contrasts
#' @param levels What each level differs from the intercept by.
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

#' The logarithm of the determinant of (1, C), by which the columns of the contrasts are larger than
#' those of treatment contrasts
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

#' The large factors, and slopes, whose coding isn't the core's
#' @noRd
coded_factors <- function(large) {
  Filter(\(own) !is.null(own$coding), large$factors)
}

#' Whether the coefficients of a fit aren't those that the core has
#' @noRd
is_coded <- function(fit) length(coded_factors(fit$fixed$large)) > 0L

#' A factor with its coding, unless that is the core's or it has a column for each level
#' @noRd
with_coding <- function(own, coding) {
  is_coded <- own$has_base && !is_usual_coding(coding)
  if (is_coded) {
    coding$names <- own$coded
    coding$weights <- coding_weights(coding, length(own$levels))
    own$coding <- coding
  }
  own$coded <- NULL
  own
}

#' What is added to the REML criterion, and to the logarithm of the determinant in it, as the
#' columns are larger than those that the core has
#' @noRd
criterion_of_coding <- function(large) {
  of_factor <- \(own) 2 * coding_log_det(own$coding, length(own$levels))
  sum(vapply(coded_factors(large), of_factor, 1))
}

#' What the core has found, with the REML criterion of the columns that the contrasts make
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

#' The coefficients as the contrasts have them, from those of the core
#' @param estimates A list with `beta`, with names, and `levels`.
#' @noRd
in_own_coding <- function(estimates, large) {
  for (own in coded_factors(large)) {
    mean <- sum(own$coding$weights * estimates$levels[own$at])
    estimates <- moved_by_mean(estimates, own, mean)
  }
  estimates
}

#' The coefficients as the core has them, with zeros for the bases
#' @noRd
in_core_coding <- function(fit) {
  estimates <- fit[c("beta", "levels")]
  for (own in coded_factors(fit$fixed$large)) {
    base <- estimates$levels[own$at[1L]]
    estimates <- moved_by_mean(estimates, own, base)
  }
  estimates
}

moved_by_mean <- function(estimates, own, mean) {
  estimates$levels[own$at] <- estimates$levels[own$at] - mean
  at <- own$margin
  estimates$beta[[at]] <- estimates$beta[[at]] + mean
  estimates
}

#' The coefficients that depend on the coding of large factors: the intercept, and those of
#' covariates with slopes
#' @noRd
moved_coefficients <- function(fit) {
  unique(unlist(lapply(coded_factors(fit$fixed$large), `[[`, "margin")))
}

#' Whether a design tells the coefficients of all contrasts, and what they are compared with
#' @param names Of the ordinary columns.
#' @param is_column Which levels have a column in the core.
#' @noRd
tells_codings <- function(large, names, is_column) {
  all(vapply(
    coded_factors(large),
    \(own) own$margin %in% names && all(is_column[own$at[-1L]]),
    NA
  ))
}
