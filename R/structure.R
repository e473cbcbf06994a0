# Covariance structures: their syntax, names and checks. The core computes Lambda and derivatives.

#' Covariance structures
#'
#' By default the effects of a random-effects term `(effects | group)` have an unstructured
#' covariance matrix. A function around the term restricts it.
#'
#' \tabular{lll}{
#'   **term** \tab **covariance** \tab **parameters for k effects** \cr
#'   `(effects | g)`, `us(effects | g)` \tab any \tab k (k + 1) / 2 \cr
#'   `diag(effects | g)`, `zerocorr(effects | g)` \tab no correlations \tab k \cr
#'   `diag(effects | g, hom = TRUE)` \tab no correlations, one variance \tab 1 \cr
#'   `cs(effects | g)` \tab all correlations are equal (compound symmetry) \tab k + 1 \cr
#'   `cs(effects | g, hom = TRUE)` \tab the same with one variance \tab 2 \cr
#'   `ar1(0 + f | g)` \tab `rho^|i - j|` for levels i and j of `f`, one variance \tab 2 \cr
#'   `ar1(0 + f | g, hom = FALSE)` \tab the same with a variance for each level \tab k + 1 \cr
#'   `toep(0 + f | g)` \tab a correlation for each distance `|i - j|` (Toeplitz) \tab 2 k - 1 \cr
#'   `toep(0 + f | g, hom = TRUE)` \tab the same with one variance \tab k
#' }
#'
#' The names `homdiag()`, `homcs()`, `hetar1()` and `homtoep()` of glmmTMB are also accepted.
#'
#' With `||` in place of `|` the effects are uncorrelated, also inside `us()` and `diag()`; inside
#' the other structures it is an error. A model may have several such terms, also with the same
#' grouping factor. `cs()`, `ar1()` and `toep()` need at least two columns; `ar1()` and `toep()`
#' need the indicators of one factor (`0 + f`), whose levels are taken as equally spaced in their
#' order. As in lme4 and glmmTMB only levels with observations count. A message is given if the
#' levels are numbers that are not in order or not equally spaced.
#'
#' @section Parameters: `getME(fit, "theta")` returns the parameters that lme4 calls `par`. For
#' `us()` and `diag()` they are the elements of the relative covariance factor Lambda. For the other
#' structures they are the standard deviations divided by the residual standard deviation, followed
#' by the correlation, named `"group.rho"`, or for `toep()` by the correlations at distance 1, 2,
#' ..., named `"group.rho1"`, `"group.rho2"` and so on. The common standard deviation of `hom =
#' TRUE` is named `"group.*"`.
#'
#' The correlation lies between -1 (for `cs()`: -1 / (k - 1)) and 1, inclusive; at these bounds the
#' fit is singular. For `toep()` the range of a correlation depends on those at smaller distances:
#' the partial correlation of two effects, given those between them, lies between -1 and 1. The
#' optimizer uses an angle, `rho = m + h sin(angle)` with the midpoint `m` and half-width `h` of the
#' range, so that an estimate at a bound is found like any other. `getME(fit, "Lind")` is `NA` for
#' elements of Lambda that are not parameters.
#'
#' @examples
#' sleepstudy$day <- factor(sleepstudy$Days)
#' fit <- rlmm(Reaction ~ Days + ar1(0 + day | Subject), sleepstudy)
#' VarCorr(fit)
#' getME(fit, "theta")
#' rlmm(Reaction ~ Days + cs(1 + Days | Subject), sleepstudy)
#'
#' # A correlation for each distance of the first four days
#' first <- subset(sleepstudy, Days < 4)
#' rlmm(Reaction ~ Days + toep(0 + day | Subject, hom = TRUE), first)
#' @name covariance_structures
NULL

# The number of correlation parameters of structures with a single one.
one_correlation <- function(k) 1L

#' The syntax and labels of the structures; the core defines their meaning (`core_structures()`)
#'
#' `call`: the function around a bar; `hom`: its argument, `NULL` if it has none; `n_rho`: the
#' number of correlation parameters of k effects, `NULL` if there are none; `tag`: the label in
#' print; `series`: whether the effects must be the levels of one factor, in their order; `linear`:
#' whether the covariance matrix is linear in as many numbers as there are parameters.
#' @noRd
structures <- list(
  us = list(call = "us", linear = TRUE),
  diag = list(
    call = "diag",
    hom = FALSE,
    linear = TRUE
  ),
  homdiag = list(
    call = "diag",
    hom = TRUE,
    linear = TRUE
  ),
  cs = list(
    call = "cs",
    hom = FALSE,
    n_rho = one_correlation,
    tag = "cs"
  ),
  homcs = list(
    call = "cs",
    hom = TRUE,
    n_rho = one_correlation,
    tag = "cs",
    linear = TRUE
  ),
  hetar1 = list(
    call = "ar1",
    hom = FALSE,
    n_rho = one_correlation,
    tag = "ar1",
    series = TRUE
  ),
  ar1 = list(
    call = "ar1",
    hom = TRUE,
    n_rho = one_correlation,
    tag = "ar1",
    series = TRUE
  ),
  toep = list(
    call = "toep",
    hom = FALSE,
    n_rho = \(k) k - 1L,
    series = TRUE
  ),
  homtoep = list(
    call = "toep",
    hom = TRUE,
    n_rho = \(k) k - 1L,
    series = TRUE,
    linear = TRUE
  )
)

# The structure of each function around a bar if `hom` isn't given.
structure_calls <- append(
  stats::setNames(nm = names(structures)),
  c(zerocorr = "diag"),
  after = 1L
)
unsupported_calls <- c("ou", "gau", "mat", "rr", "propto", "equalto")
# The functions that may be around a bar.
bar_calls <- c(names(structure_calls), unsupported_calls)

has_rho <- function(structure) !is.null(structures[[structure]]$n_rho)

is_unstructured <- function(structure) structure == "us"

is_homogeneous <- function(structure) isTRUE(structures[[structure]]$hom)

is_linear <- function(structure) isTRUE(structures[[structure]]$linear)

is_diagonal <- function(structure) structures[[structure]]$call == "diag"

n_theta <- function(structure, size) {
  if (is_unstructured(structure)) {
    return(size * (size + 1L) / 2L)
  }
  n_scales <- if (is_homogeneous(structure)) 1L else size
  n_rho <- structures[[structure]]$n_rho
  if (is.null(n_rho)) n_scales else n_scales + n_rho(size)
}

#' The structure of the function around a bar
#' @noRd
read_structure <- function(expr) {
  name <- structure_name(expr)
  if (!name %in% names(structure_calls)) {
    abort_structure(name)
  }
  arguments <- as.list(expr)[-(1:2)]
  if (length(arguments) == 0L) {
    return(structure_calls[[name]])
  }
  hom <- read_hom(arguments)
  is_this <- \(s) identical(s$call, name) && identical(s$hom, hom)
  found <- names(Filter(is_this, structures))
  if (length(found) == 0L) {
    abort_structure_arguments(expr)
  }
  found
}

# The value of `hom`, `TRUE` or `FALSE`; `NA` if there are other arguments.
read_hom <- function(arguments) {
  name <- names(arguments) %||% "hom"
  if (length(arguments) != 1L || !name %in% c("", "hom")) {
    return(NA)
  }
  hom <- arguments[[1L]]
  if (identical(hom, quote(T))) {
    hom <- TRUE
  }
  if (identical(hom, quote(F))) {
    hom <- FALSE
  }
  if (is.logical(hom)) hom else NA
}

#' The term as the user would write it
#' @param called The function that the user called, for structures with two names.
#' @noRd
structured_call <- function(structure, term, called = NULL) {
  if (is_unstructured(structure)) {
    return(call("(", term))
  }
  written <- structures[[structure]]
  default <- structure_calls[[written$call]] == structure
  if (default) {
    call(called %||% written$call, term)
  } else {
    call(
      written$call,
      term,
      hom = written$hom
    )
  }
}

#' A term of a fit as the user would write it, as text
#' @noRd
term_text <- function(term) {
  if (is_unstructured(term$structure)) {
    return(paste0("(", term$label, ")"))
  }
  written <- structures[[term$structure]]
  is_default <- structure_calls[[written$call]] == term$structure
  paste0(
    term$called %||% written$call,
    "(",
    term$label,
    if (!is_default) paste0(", hom = ", written$hom),
    ")"
  )
}

term_texts <- function(fit) vapply(fit$random, term_text, "")

# Templates -------------------------------------------------------------------

#' The rows and columns of the elements in the template of a k-column term that theta determines, in
#' the order of theta
#' @noRd
template_cells <- function(structure, k) {
  if (is_diagonal(structure)) {
    return(cbind(row = seq_len(k), col = seq_len(k)))
  }
  cells <- which(
    lower.tri(diag(k), diag = TRUE),
    arr.ind = TRUE,
    useNames = FALSE
  )
  colnames(cells) <- c("row", "col")
  cells
}

# Checks --------------------------------------------------------------------

#' Checks that a structure suits the columns of a term
#' @noRd
check_structure <- function(bar, effects, frame) {
  if (!has_rho(bar$structure)) {
    return(invisible())
  }
  written <- paste0(structures[[bar$structure]]$call, "()")
  if (length(effects$columns) < 2L) {
    abort_one_column(bar, written, effects$columns)
  }
  if (isTRUE(structures[[bar$structure]]$series)) {
    check_series(bar, written, effects, frame)
  }
}

abort_one_column <- function(bar, written, column) {
  abort_unsuited(
    bar,
    sprintf("A term in %s must have at least two columns.", tick(written)),
    x = sprintf("Its only column is %s.", tick(column)),
    i = "For one column write `(effects | group)`."
  )
}

# Checks that the columns of a term in `ar1()` or `toep()` are the indicators of one factor.
check_series <- function(bar, written, effects, frame) {
  if (!is_one_factor(effects$terms, frame)) {
    abort_unsuited(
      bar,
      sprintf(
        "The columns of a term in `%s` must be the levels of one factor, in their order.",
        written
      ),
      x = sprintf("They are %s.", enumerate(tick(effects$columns))),
      i = sprintf(
        "Write `%s(0 + f | group)` with a factor `f`.",
        structures[[bar$structure]]$call
      )
    )
  }
  check_order(bar, written, attr(effects$terms, "term.labels"), frame)
}

# Checks the factor of a series, whose correlations assume equally spaced levels in their order.
check_order <- function(bar, written, name, frame) {
  variable <- frame[[name]]
  if (is.character(variable)) {
    abort_text_order(bar, written, name)
  }
  found <- levels(droplevels(as.factor(variable)))
  if (!is_unequal(suppressWarnings(as.numeric(found)))) {
    return(invisible())
  }
  text <- "`%s` takes the levels of %s as equally spaced, in this order: %s."
  order <- enumerate(found, max = 10L)
  inform_rlmm(sprintf(text, written, tick(name), order), "rlmm_message_order")
}

abort_text_order <- function(bar, written, name) {
  problem <- "The factor of a term in `%s` must have its levels in order."
  abort_unsuited(
    bar,
    sprintf(problem, written),
    x = paste0(tick(name), " is text."),
    i = "Make it a factor: `factor(x, levels = )`."
  )
}

# Whether numbers are not equally spaced.
is_unequal <- function(numbers) {
  steps <- diff(numbers)
  length(steps) > 1L &&
    !anyNA(steps) &&
    max(steps) - min(steps) > 1e-6 * max(abs(steps))
}

is_one_factor <- function(terms, frame) {
  labels <- attr(terms, "term.labels")
  if (
    attr(terms, "intercept") != 0L ||
      length(labels) != 1L ||
      attr(terms, "order") != 1L
  ) {
    return(FALSE)
  }
  variable <- frame[[labels]]
  is.factor(variable) || is.character(variable) || is.logical(variable)
}

abort_unsuited <- function(bar, ...) {
  label <- tick(deparse_one(structured_call(
    bar$structure,
    call(
      "|",
      bar$effects,
      as.name(bar$groups[[1L]]$name)
    ),
    bar$called
  )))
  bullets <- c(...)
  bullets[["x"]] <- sub(
    "\\.$",
    paste0(" in ", label, "."),
    bullets[["x"]]
  )
  abort_formula(bullets, class = "rlmm_error_structure")
}

abort_structure <- function(name) {
  abort_formula(
    paste0(
      "The covariance structure ",
      tick(paste0(name, "()")),
      " isn't supported."
    ),
    i = paste0(
      "These are: ",
      enumerate(tick(paste0(names(structure_calls), "()")), max = Inf),
      "."
    ),
    structure_hint(name),
    class = c("rlmm_error_unknown_structure", "rlmm_error_structure")
  )
}

# The hint for an unknown structure: the package that has it, or a similar name here.
structure_hint <- function(name) {
  if (name %in% glmmtmb_structures) {
    return(c(i = "`glmmTMB::glmmTMB()` fits models with it."))
  }
  did_you_mean(name, names(structure_calls), \(x) tick(paste0(x, "()")))
}

# Structures that only glmmTMB has.
glmmtmb_structures <- c("rr", "ou", "exp", "gau", "mat", "propto", "equalto")

abort_structure_arguments <- function(expr) {
  has_hom <- Filter(\(structure) !is.null(structure$hom), structures)
  calls <- unique(vapply(has_hom, `[[`, "", "call"))
  abort_formula(
    paste0("Can't understand ", tick(deparse_one(expr)), "."),
    i = sprintf(
      "The one argument beside the term is `hom = TRUE` or `FALSE`, in %s.",
      enumerate(tick(paste0(calls, "()")))
    ),
    class = "rlmm_error_structure"
  )
}

# For lme4 ----------------------------------------------------------------

#' Whether lme4 has terms of these structures: any covariance, or none at all
#' @noRd
has_lme4_counterpart <- function(structures) structures %in% c("us", "diag")

# Whether structures have a single correlated covariance matrix, which `us()` includes.
is_correlated <- function(structures) {
  !structures %in% c("us", "diag", "homdiag")
}

#' A formula without the functions around bars, also those of correlated structures
#' @noRd
unstructured_bars <- function(expression) {
  plain_bars(expression, c(names(structure_calls), "zerocorr"))
}

#' A formula without the functions around bars: `diag()` and `zerocorr()` terms become `||` terms
#' @param calls The functions to remove; by default those that lme4 has a counterpart of.
#' @noRd
plain_bars <- function(expression, calls = c("us", "diag", "zerocorr")) {
  name <- call_name(expression)
  if (!is.call(expression) || name %in% c("|", "||")) {
    return(expression)
  }
  bar <- if (length(expression) > 1L) strip_parens(expression[[2L]])
  is_bar <- call_name(bar) %in% c("|", "||")
  if (!is_bar || !name %in% calls) {
    expression[-1L] <- lapply(as.list(expression)[-1L], plain_bars, calls)
    return(expression)
  }
  if (name %in% c("diag", "zerocorr")) {
    bar[[1L]] <- quote(`||`)
  }
  call("(", bar)
}
