# The linear mixed model of a nonlinear one whose mean is linearized at the modes. Its search for
# theta knows of other minima, and refuses covariates that are too far from zero.

#' Theta of the linear mixed model of the working response
#' @param problem The result of [in_orthogonal_parameters()], to whose columns theta refers.
#' @param at The result of [nonlinear_modes()] at `theta`.
#' @return Theta; `NULL` if the linear model can't be fitted.
#' @noRd
working_theta <- function(problem, at, theta) {
  given <- problem$given$random
  design <- working_design(problem, at, theta)
  control <- core_control(
    design$control,
    0L,
    design,
    NULL
  )
  est <- with_terms_named(core_fit(design$spec, NULL, control), given)
  for (i in seq_along(given)) {
    found <- est$theta[design$random[[i]]$theta]
    root <- problem$basis$random[[i]]
    theta[given[[i]]$theta] <- theta_of_root(given[[i]], found, root)
  }
  theta
}

# The theta of a term in orthogonal columns, from that in the given ones.
theta_of_root <- function(term, theta, root) {
  if (is.null(root)) {
    return(theta)
  }
  term$theta <- seq_along(theta)
  lambda <- triangular(root %*% lambda_block(term, theta))
  lambda[lower.tri(lambda, diag = TRUE)]
}

# The design of the linear model in the columns of X and Z times the gradient of the mean.
working_design <- function(problem, at, theta) {
  x <- times_gradient(problem$x, at$mean$gradient, problem$n_rows)
  colnames(x) <- sprintf(".x%d", seq_len(ncol(x)))
  frame <- data.frame(
    .y = linearized_response(problem, at, theta),
    .weights = problem$root^2
  )
  terms <- working_terms(problem$given, at$mean$gradient)
  frame <- cbind(frame, x, working_columns(terms))
  model_of_frame(frame, colnames(x), lapply(terms, `[[`, "call"))
}

# The columns of all terms, without those of a grouping factor that they share.
working_columns <- function(terms) {
  columns <- do.call(cbind, lapply(terms, `[[`, "frame"))
  columns[!duplicated(names(columns))]
}

model_of_frame <- function(frame, fixed, bars) {
  right <- sum_of(c(0, lapply(fixed, as.name), bars))
  model_design(
    stats::as.formula(call("~", quote(.y), right), baseenv()),
    frame,
    REML = FALSE,
    control = stacked_control(),
    extras = list(weights = rlang::new_quosure(quote(.weights), baseenv()))
  )
}

linearized_response <- function(problem, at, theta) {
  z <- scaled_z(problem, theta)
  eta <- problem$x %*% at$beta + z %*% at$u
  moved <- times_gradient(eta, at$mean$gradient, problem$n_rows)
  as.vector(moved) + problem$y - at$mean$value
}

# The terms of the linear model: the columns of each, and its call in the formula.
working_terms <- function(given, gradient) {
  names <- lapply(given$random, `[[`, "columns")
  unique <- utils::relist(make.unique(unlist(names)), names)
  Map(
    working_term,
    given$random,
    term_designs(given$shell),
    unique,
    MoreArgs = list(gradient = gradient, n = given$n_rows)
  )
}

working_term <- function(term, design, names, gradient, n) {
  group <- sprintf(".group%d", term$core_term)
  frame <- as.data.frame(times_gradient(unname(design$z), gradient, n))
  names(frame) <- names
  frame[[group]] <- factor(design$refs[seq_len(n)], seq_along(term$levels))
  effects <- sum_of(c(0, lapply(names, as.name)))
  bar <- call("|", effects, as.name(group))
  list(frame = frame, call = structured_call(term$structure, bar, term$called))
}
