# Many responses with one right-hand side: rlmm_many() and rglmm_many().

#' Fit one model to many responses
#'
#' Fits the same model to each column of a matrix, for example to thousands of genes, voxels or
#' metabolites measured on the same samples. Computations that only depend on the design are done
#' once, and the responses are fitted in parallel threads (`rlmm_control(threads = )`). The results
#' for each response are those of [rlmm()] or [rglmm()].
#'
#' A response may have missing values: the model is then fitted to its other rows, and the fit fails
#' if a level of a fixed factor has no rows left. Rows with a missing variable on the right-hand
#' side are left out for all responses.
#'
#' If the responses don't fit into memory, the left-hand side may be a function: called with 1, 2,
#' ..., it returns one matrix of responses after the other, and `NULL` at the end.
#'
#' A response that can't be fitted has missing values in the results, and the reason in `error`.
#'
#' @param formula A formula as in [rlmm()], with a matrix, a data frame, a list of columns, or a
#'   function on the left: `Y ~ x + (1 | g)`. Responses are columns: for a matrix with samples in
#'   columns write `t(Y)`. A column without a name is called by its place, `"y2"`.
#' @param data,REML,control,contrasts,offset,na.action See [rlmm()]. The offset is the same for all
#'   responses, and there is only the exact engine.
#' @param weights Weights of the rows, or a matrix with weights for each response, as from
#'   `limma::voom()`.
#' @param family,nAGQ,dispersion,information See [rglmm()]. For [nbinom2()] each response has its
#'   own theta. For a binomial model the responses are proportions, with the numbers of trials as
#'   `weights`.
#' @param ddf The method for degrees of freedom of linear models: `"satterthwaite"`, or
#'   `"asymptotic"` for z tests, which are faster if second derivatives take long.
#' @param progress Whether to show progress, by default in an interactive session; see
#'   [bootstrap()].
#' @param ... Not used.
#' @return A list of class `"rlmm_many"`: the matrices `beta`, `std_error`, `df` (Satterthwaite's,
#'   for linear models) and `theta` with a row for each response, and the vectors `sigma`, `shape`,
#'   `objective`, `verdict` (of the [certificate()]), `error` and `nobs`. See
#'   [as.data.frame.rlmm_many()].
#' @examples
#' set.seed(1)
#' fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
#' Y <- as.matrix(simulate(fit, 20))
#' Y[3, 2] <- NA
#' many <- rlmm_many(Y ~ Days + (1 | Subject), sleepstudy)
#' many
#' head(as.data.frame(many))
#' many[["sim_2"]]
#' @export
rlmm_many <- function(
  formula,
  data = NULL,
  REML = TRUE,
  control = rlmm_control(),
  weights,
  na.action,
  offset,
  contrasts = NULL,
  ddf = c("satterthwaite", "asymptotic"),
  progress = NULL,
  ...
) {
  call <- match.call()
  check_dots(
    ...,
    fitter = "rlmm_many",
    known = names(formals(rlmm_many))
  )
  check_in_memory(data, many_instead)
  ddf <- one_of(ddf, c("satterthwaite", "asymptotic"), "ddf")
  each <- own_weights(if (!missing(weights)) rlang::enquo(weights), data)
  extras <- c(
    if (!missing(weights)) list(weights = each$typical),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  given <- read_formula(formula, parent.frame())
  formula <- in_own_environment(given, call, data)
  call <- with_call_moved(call, environment(given), environment(formula))
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses),
    data,
    REML,
    control_of_many(control, "rlmm"),
    extras,
    if (missing(na.action)) default_na_action(data) else na.action,
    contrasts
  )
  design <- with_own_weights(design, each$weights)
  df <- ddf == "satterthwaite"
  new_many(
    responses,
    design,
    formula,
    call,
    progress,
    df = df
  )
}

#' @rdname rlmm_many
#' @export
rglmm_many <- function(
  formula,
  data = NULL,
  family,
  control = rlmm_control(),
  nAGQ = 1L,
  weights,
  na.action,
  offset,
  contrasts = NULL,
  dispersion = c("profiled", "moment", "estimated"),
  information = c("expected", "observed"),
  progress = NULL,
  ...
) {
  call <- match.call()
  check_dots(
    ...,
    fitter = "rglmm_many",
    known = names(formals(rglmm_many))
  )
  check_in_memory(data, many_instead)
  env <- parent.frame()
  given <- read_formula(formula, env)
  formula <- in_own_environment(given, call, data)
  call <- with_call_moved(call, environment(given), environment(formula))
  family <- read_family(if (missing(family)) NULL else family, env, call)
  likelihood <- glmm_approximation(family, nAGQ, FALSE, dispersion, information)
  each <- own_weights(if (!missing(weights)) rlang::enquo(weights), data)
  extras <- c(
    if (!missing(weights)) list(weights = each$typical),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses, family),
    data,
    REML = FALSE,
    control = control_of_many(control, "rglmm"),
    extras = extras,
    na_action = if (missing(na.action)) default_na_action(data) else na.action,
    contrasts = contrasts,
    approximation = likelihood
  )
  design <- with_own_weights(design, each$weights)
  new_many(responses, design, formula, call, progress)
}

many_instead <- paste(
  "`rlmm()` and `rglmm()` take it where it is, one response at a time; many responses are read in",
  "chunks by a function on the left of `formula`."
)

# The options of a fit to many responses, which share a Cholesky factor.
control_of_many <- function(control, fitter) {
  control <- as_control(control)
  if (identical(control$engine, "iterative")) {
    abort_argument(
      sprintf("`%s_many()` only has the exact engine.", fitter),
      x = "`control` asks for the iterative one.",
      i = sprintf("`%s()` has both, for one response at a time.", fitter),
      arg = "control"
    )
  }
  control
}

# The fits --------------------------------------------------------------------

#' Fits responses with a design and constructs the result of rlmm_many()
#' @param design The result of [model_design()].
#' @noRd
new_many <- function(
  responses,
  design,
  formula,
  call,
  progress = NULL,
  start = list(),
  df = TRUE
) {
  control <- design$control
  held <- held_theta(control, design$random, design$spec$sigma)
  control <- core_control(control, 0L, design, held)
  check_flag(progress %||% TRUE, "progress")
  control$progress <- progress %||% control$progress
  control$df <- df
  found <- if (is.function(responses)) {
    check_own_weights(design$weights, responses)
    fit_chunks(responses, design, control, start)
  } else {
    fit_matrix(responses, design, control, start)
  }
  is_whole <- all(found$done)
  made <- c(
    found[names(found) != "done"],
    list(
      responses = responses,
      design = design,
      formula = formula,
      call = call
    )
  )
  made <- structure(made, class = "rlmm_many")
  if (!is_whole) {
    end_interrupted(\() made)
  }
  if (df) with_all_df(made) else made
}

# Adds degrees of freedom that the core doesn't compute for many responses: for covariance
# structures with correlation parameters, and with held parameters.
with_all_df <- function(x) {
  has_lack <- rowSums(is.nan(x$df %||% matrix(0))) > 0
  lacking <- which(is.na(x$error) & has_lack)
  if (length(lacking) == 0L) {
    return(x)
  }
  df <- x$df
  for (at in lacking) {
    df[at, ] <- satterthwaite_df(one_fit(x, at))
  }
  parts <- unclass(x)
  parts$df <- df
  structure(parts, class = "rlmm_many")
}

fit_matrix <- function(responses, design, control, start) {
  y <- fitted_responses(responses, design)
  inform_nan_responses(y)
  check_own_weights(design$weights, NULL, ncol(y))
  design$spec <- with_typical_shape(design$spec, y)
  found <- fit_responses(design, y, control, start)
  named_responses(found, design, colnames(y))
}

#' Gives a message about values that are `NaN`, which are missing, but often by mistake
#' @noRd
inform_nan_responses <- function(y) {
  n_nan <- if (anyNA(y)) colSums(is.nan(y)) else 0
  if (all(n_nan == 0)) {
    return(invisible())
  }
  names <- tick(colnames(y)[n_nan > 0])
  inform_rlmm(
    c(
      "Some values of the responses are NaN, which counts as missing.",
      x = sprintf("%s in %s.", plural(sum(n_nan), "value"), enumerate(names)),
      i = "Are they computed from values outside of the domain, such as `log(-1)`?"
    ),
    "rlmm_message_nan"
  )
}

fit_chunks <- function(reader, design, control, start) {
  parts <- list()
  repeat {
    y <- reader(length(parts) + 1L)
    if (is.null(y)) {
      break
    }
    part <- fit_matrix(y, design, control, start)
    parts <- c(parts, list(part))
    if (!all(part$done)) {
      break
    }
  }
  if (length(parts) == 0L) {
    abort_responses(
      "formula",
      "The function on its left returned no responses."
    )
  }
  names <- unlist(lapply(parts, \(part) names(part$sigma)))
  found <- bind_parts(lapply(parts, unnamed_vectors))
  # Unnamed chunks would all start with "y1".
  if (anyDuplicated(names)) {
    names <- paste0("y", seq_along(names))
  }
  rename_responses(found, names)
}

unnamed_vectors <- function(part) {
  lapply(part, \(value) if (is.matrix(value)) value else unname(value))
}
