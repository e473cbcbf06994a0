# preview(): describes a model before it is fitted.

#' Preview of a model before fitting
#'
#' `preview()` evaluates formula and data like [rlmm()] or [rglmm()] and describes the model without
#' fitting it: rows omitted because of missing values; the columns of the fixed part and which are
#' aliased; the terms with their levels, parameters, rows for each level and levels with a single
#' row; whether grouping factors are nested or crossed, and whether crossed factors are connected;
#' the size of the system that is factorized; and the expected computing time. The messages,
#' warnings and errors that the checks of a fit would give are listed, too.
#'
#' Crossed factors are connected if any two of their levels are linked by a chain of rows. If they
#' are not, effects in different connected components can only be compared under the assumption that
#' the components have equal means.
#'
#' The expected time is the time of one evaluation of the objective, multiplied by the usual number
#' of evaluations. If one evaluation would take long, its time is estimated from the size of the
#' system instead. The time is processor time on this machine, and accurate to a factor of about
#' three.
#' @inheritParams rlmm
#' @param formula A two-sided formula, as in [rlmm()].
#' @param data A data frame (or tibble, data.table, list or environment) with the variables. By
#'   default, variables are looked up in the environment of the formula.
#' @param family The family of a generalized model, as in [rglmm()].
#' @param x,... For printing.
#' @return A list of class `"rlmm_preview"`: `rows`; `missing`; `fixed`, a list of `columns`,
#'   `aliased` columns, and `apart`, the number of levels of large factors, which have no columns;
#'   `terms`, a data frame; `factors`, a data frame with a row for each pair; `size`, a list of
#'   `levels` (eliminated one by one), `system` (the number of rows of the remaining system) and
#'   `megabytes`; `engine` and `storage` (see [rlmm_control()]); `seconds`; and `notes`.
#' @seealso [diagnose()] after fitting.
#' @examples
#' preview(y ~ service + (1 | s) + (1 | d), InstEval)
#' preview(TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION), grouseticks, family = poisson)
#' @export
preview <- function(
  formula,
  data = NULL,
  family = NULL,
  subset,
  weights,
  na.action,
  offset,
  contrasts = NULL,
  ...
) {
  refuse_dots(...)
  check_in_memory(data, preview_instead)
  caller <- parent.frame()
  formula <- read_formula(if (!missing(formula)) formula, caller)
  extras <- given_expressions(c("subset", "weights", "offset"))
  notes <- new.env()
  design <- noting(notes, {
    model_design(
      formula,
      data,
      is.null(family),
      control_with_messages(),
      extras,
      if (missing(na.action)) default_na_action(data) else na.action,
      contrasts,
      approximation = preview_likelihood(family, caller, match.call()),
      may_be_large = TRUE
    )
  })
  new_preview(design, notes$lines)
}

preview_instead <- paste(
  "`rlmm()` and `rglmm()` take it where it is, and with `verbose = 1` name the engine before they",
  "sum up anything."
)

# The default approximation of the likelihood of a generalized model.
preview_likelihood <- function(family, caller, call) {
  if (is.null(family)) {
    return(NULL)
  }
  glmm_approximation(
    read_family(family, caller, call),
    1L,
    FALSE,
    c("profiled", "moment", "estimated"),
    information_kinds
  )
}

# Evaluates an expression; its messages and warnings become notes.
noting <- function(notes, expr) {
  withCallingHandlers(
    expr,
    rlmm_message = \(cnd) take_note(cnd, notes),
    rlmm_warning = \(cnd) take_note(cnd, notes)
  )
}

#' Records the text of a message or warning and continues
#' @noRd
take_note <- function(cnd, notes) {
  notes$lines <- c(notes$lines, first_line(cnd))
  is_warning <- inherits(cnd, "warning")
  tryInvokeRestart(if (is_warning) "muffleWarning" else "muffleMessage")
}

# A control whose checks give messages instead of errors.
control_with_messages <- function() {
  control <- default_control
  is_policy <- names(control$checks) != "rankx"
  control$checks[is_policy] <- "message"
  control$checks$rankx <- "silent.drop.cols"
  control
}

first_line <- function(cnd) {
  lines <- cnd$message
  problems <- lines[names(lines) %in% "x"]
  paste(c(lines[1L], problems), collapse = " ")
}

new_preview <- function(design, notes) {
  fixed <- design$fixed
  found <- list(
    generalized = !is.null(design$family),
    rows = nrow(design$frame),
    missing = length(attr(design$frame, "na.action")),
    fixed = list(
      columns = fixed$names,
      aliased = fixed$dropped,
      apart = large_factor_sizes(fixed$large)
    ),
    terms = preview_terms(design),
    factors = factor_pairs(design)
  )
  notes <- list(notes = c(notes, contained_notes(design)))
  structure(c(found, preview_cost(design), notes), class = "rlmm_preview")
}

# The numbers of levels of large factors, by name.
large_factor_sizes <- function(large) {
  if (!is.null(large)) {
    sizes <- lengths(lapply(large$factors, `[[`, "levels"))
    stats::setNames(sizes, each_large(large, "variable"))
  }
}

# The cost of a fit: the size of the system, the engine and the seconds.
preview_cost <- function(design) {
  spec <- design$spec
  size <- system_size(spec$terms, count_columns(spec$x))
  engine <- preview_engine(design)
  list(
    size = size,
    engine = engine$engine,
    storage = engine$storage,
    seconds = expected_seconds(design, engine, size)
  )
}

#' Notes about random effects in the span of the fixed effects, whose variances the restricted
#' likelihood doesn't identify
#' @noRd
contained_notes <- function(design) {
  n <- nrow(design$frame)
  p <- count_columns(design$spec$x)
  is_other <- !is.null(design$family) || has_large(design)
  if (is_other || p == 0L || n * p^2 > 1e9) {
    return(NULL)
  }
  x <- qr(column_matrix(design$spec$x, n))
  contained <- Filter(\(term) is_contained(term, design, x), design$random)
  vapply(contained, contained_note, "")
}

contained_note <- function(term) {
  sprintf(
    "The random effects of %s are contained in the fixed effects: leave them out.",
    tick(term_text(term))
  )
}

# Whether, for each effect of the term, a random combination of its levels is in the column space of
# X.
is_contained <- function(term, design, x) {
  core <- design$spec$terms[[term$core_term]]
  combination <- cos(1.7 * seq_along(term$levels))[core$refs]
  z <- column_matrix(core$z, length(core$refs))
  z <- z[, term$core_cols, drop = FALSE]
  wanted <- z * combination
  left <- qr.resid(x, wanted)
  all(colSums(left^2) <= 1e-16 * colSums(wanted^2))
}

# Terms and factors -------------------------------------------------------

preview_terms <- function(design) {
  do.call(rbind, lapply(design$random, preview_term, design$spec))
}

preview_term <- function(term, spec) {
  refs <- spec$terms[[term$core_term]]$refs
  counts <- tabulate(refs, length(term$levels))
  data.frame(
    term = term_text(term),
    levels = length(counts),
    effects = length(term$columns),
    parameters = length(term$theta),
    least = min(counts),
    median = stats::median(counts),
    most = max(counts),
    singletons = sum(counts == 1L)
  )
}

#' The relation of each pair of grouping factors
#' @noRd
factor_pairs <- function(design) {
  groups <- vapply(design$random, `[[`, "", "group")
  terms <- design$random[!duplicated(groups)]
  if (length(terms) < 2L) {
    return(NULL)
  }
  pairs <- utils::combn(terms, 2L, factor_pair, FALSE, design$spec)
  do.call(rbind, pairs)
}

factor_pair <- function(terms, spec) {
  refs_of <- \(term) spec$terms[[term$core_term]]$refs
  refs <- lapply(terms, refs_of)
  data.frame(
    first = terms[[1L]]$group,
    second = terms[[2L]]$group,
    pair_relation(refs[[1L]], refs[[2L]])
  )
}

#' The relation of two factors, the number of their connected components, and the fraction of
#' combinations that occur
#' @noRd
pair_relation <- function(a, b) {
  cells <- unique(data.frame(a = a, b = b))
  n_a <- max(a)
  n_b <- max(b)
  relation <- if (nrow(cells) == n_a && nrow(cells) == n_b) {
    "the same"
  } else if (nrow(cells) == n_a) {
    "nested"
  } else if (nrow(cells) == n_b) {
    "nests"
  } else {
    "crossed"
  }
  data.frame(
    relation = relation,
    parts = connected_parts(cells$a, cells$b),
    filled = nrow(cells) / n_a / n_b
  )
}

# Size and time -----------------------------------------------------------

#' The size of the system that remains after eliminating the levels of the largest term
#' @noRd
system_size <- function(terms, p) {
  effects <- vapply(
    terms,
    \(term) as.double(term$n_levels) * count_columns(term$z),
    0
  )
  has_levels <- is_fixed_term(terms[[length(terms)]])
  leading <- if (has_levels) which.max(effects) else 1L
  system <- sum(effects[-leading]) + p + 1
  list(
    levels = terms[[leading]]$n_levels,
    system = system,
    megabytes = 8 * system^2 / 2 / 2^20
  )
}

# The largest system that is factored to measure the time.
max_timed_system <- 3000

#' The engine of a model
#' @return A list: `engine`, `storage` and `elements`; `engine` is `NA` if no factor fits into
#'   memory.
#' @noRd
preview_engine <- function(design) {
  tryCatch(
    core_engine(design$spec),
    rlmm_error_too_large = \(cnd) list(engine = NA_character_)
  )
}

#' The expected seconds for a fit, as a multiple of those for one evaluation
#'
#' Processor time is estimated, which doesn't depend on other programs. The evaluation of a linear
#' model includes the Hessian, which a fit needs once or twice in addition to four or five
#' gradients, and the cross-products of the rows, which a fit computes once. A generalized model
#' needs more evaluations.
#' @noRd
expected_seconds <- function(design, engine, size) {
  if (identical(engine$engine, "iterative")) {
    # The estimate assumes six evaluations with forty products of eight vectors.
    return(6 * 40 * 8 * 2 * engine$elements / 1e9)
  }
  if (size$system > max_timed_system) {
    # A core does about 4e9 multiply-adds per second, and derivatives take four times as long as the
    # factor.
    return(6 * 4 * size$system^3 / 3 / 4e9)
  }
  seconds <- tryCatch(
    system.time(evaluate_once(design))[c("user.self", "sys.self")],
    rlmm_error = \(cnd) NA_real_
  )
  sum(seconds) * if (is.null(design$spec$glmm)) 2.5 else 6
}

# One evaluation of the objective, as in the optimizer.
evaluate_once <- function(design) {
  spec <- design$spec
  theta <- unlist(lapply(core_structures(design$random), `[[`, "start"))
  if (is.null(spec$glmm)) {
    return(core_derivatives(spec, theta))
  }
  beta <- numeric(count_columns(spec$x))
  shape <- if (estimates_shape(spec$glmm)) 0
  core_glmm_objective(spec, c(theta, beta, shape))
}
