# Many responses with one right-hand side: rlmm_many() and rglmm_many().

#' Fit one model to many responses
#'
#' Fits the same model to each column of a matrix: to thousands of genes, voxels or metabolites
#' measured on the same samples. What the design says is worked out once, and the responses are
#' fitted in parallel threads (`rlmm_control(threads = )`), each as [rlmm()] or [rglmm()] would fit
#' it.
#'
#' A response may have missing values: it is fitted to the rows that it has. It fails where some
#' level of a factor among the fixed effects has none of them. Rows in which a variable of the
#' right-hand side is missing are left out for all.
#'
#' Where the responses don't fit into memory, the left-hand side may be a function: called with 1,
#' 2, ... it returns one matrix of responses after the other, and `NULL` at the end.
#'
#' A response that can't be fitted has missing values in the tables, and the reason in `error`.
#'
#' @param formula As for [rlmm()], with a matrix, a data frame or list of columns, or a function on
#'   the left: `Y ~ x + (1 | g)`. Responses are columns: for a matrix with samples in columns write
#'   `t(Y)`.
#' @param data,REML,control,contrasts,offset,na.action See [rlmm()]. An offset is that of all
#'   responses.
#' @param weights Weights of the rows, or a matrix with weights of its own for each response, as
#'   `limma::voom()` makes them.
#' @param family,nAGQ,dispersion,information See [rglmm()]; of [nbinom2()] each response has a theta
#'   of its own. Of a binomial model the responses are proportions, with the numbers of trials as
#'   `weights`.
#' @param ddf `"satterthwaite"`, or `"asymptotic"`: z tests, where second derivatives take long.
#' @param progress Show how many have been done? By default in an interactive session; see
#'   [bootstrap()].
#' @param ... Not used.
#' @return A list of class `"rlmm_many"`: matrices with a row for each response, `beta`,
#'   `std_error`, `df` (Satterthwaite's, of linear models) and `theta`, and vectors `sigma`,
#'   `shape`, `objective`, `verdict` (what [certificate()] says), `error` and `nobs`. See
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
  formula <- read_formula(formula, parent.frame())
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses),
    data,
    REML,
    as_control(control),
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
  formula <- read_formula(formula, env)
  family <- read_family(if (missing(family)) NULL else family, env, call)
  likelihood <- glmm_approximation(family, nAGQ, FALSE, dispersion, information)
  each <- own_weights(if (!missing(weights)) rlang::enquo(weights), data)
  extras <- c(
    if (!missing(weights)) list(weights = each$typical),
    if (!missing(offset)) list(offset = rlang::enquo(offset))
  )
  responses <- left_side(formula, data)
  design <- model_design(
    with_placeholder(formula, data, responses),
    data,
    REML = FALSE,
    control = as_control(control),
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

# The fits --------------------------------------------------------------------

#' Fits responses with a design, and puts together what rlmm_many() returns
#' @param design What [model_design()] returns.
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

# Degrees of freedom that the core doesn't have for many at once: beside covariance structures with
# correlation parameters, and where something is held.
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
  tell_nan_responses(y)
  check_own_weights(design$weights, NULL, ncol(y))
  design$spec <- with_typical_shape(design$spec, y)
  found <- fit_responses(design, y, control, start)
  named_responses(found, design, colnames(y))
}

#' Tell of values that are `NaN`: they are missing, but often by a mistake
#' @noRd
tell_nan_responses <- function(y) {
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
  # Chunks without names of their own would all begin with "y1".
  if (anyDuplicated(names)) {
    names <- paste0("y", seq_along(names))
  }
  rename_responses(found, names)
}

unnamed_vectors <- function(part) {
  lapply(part, \(value) if (is.matrix(value)) value else unname(value))
}
