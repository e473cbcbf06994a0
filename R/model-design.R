# From a formula to the design of a model: its frame, its fixed and random parts, and the spec for
# Rust.

#' From a formula to what Rust needs, and what the fit keeps
#' @param approximation Of a generalized model: what [glmm_approximation()] returns, its family
#'   among it.
#' @param weights_type What [read_weights_type()] returns.
#' @param may_be_large May the levels of factors be no columns of X?
#' @return A list: `formula`, `frame`, `fixed`, `held`, `random`, the `spec` of SPEC.md, and
#'   `control`, without held parameters that the model lacks if it comes from another model (see
#'   [let_go()]).
#' @noRd
model_design <- function(
  formula,
  data = NULL,
  REML = TRUE,
  control = rlmm_control(),
  extras = NULL,
  na_action = stats::na.omit,
  contrasts = NULL,
  sigma = NULL,
  approximation = NULL,
  weights_type = "precision",
  may_be_large = FALSE
) {
  check_design_arguments(data, REML, sigma, control, approximation)
  parsed <- parse_formula(formula, data)
  env <- formula_env(formula)
  frame <- build_frame(parsed, env, data, extras, na_action)
  frame <- weighed_frame(frame, weights_type)
  random <- random_design(parsed, frame, env, data)
  passes <- passes_of(!is.null(approximation))
  make_fixed <- \(most) {
    fixed_design(parsed, frame, env, data, contrasts, control, most, passes)
  }
  most <- if (may_be_large) most_large else 0L
  fixed <- uncontained_fixed(
    make_fixed,
    random,
    count_rows(frame),
    most,
    !is.null(approximation)
  )
  if (!is.null(approximation) && !may_be_large) {
    tell_of_columns(fixed$fixed$terms, frame, contrasts)
  }
  design <- list(
    formula = formula,
    frame = frame,
    fixed = fixed$fixed,
    random = random$random,
    control = let_go(control, fixed$fixed, random$random),
    family = approximation$family
  )
  design["held"] <- list(held_beta(design$control, design$fixed))
  sigma <- known_sigma(sigma, design$control)
  design$spec <- model_spec(design, fixed, random, REML, sigma, approximation)
  design <- with_large_term(design)
  design$spec$glmm <- with_residual_df(design$spec)
  checks <- design$control$checks
  check_model(design$spec, design$random, design$fixed, checks)
  design
}

# Tells of columns that a generalized model has where levels can't stand apart.
tell_of_columns <- function(terms, frame, contrasts) {
  large <- find_large_factors(terms, frame, contrasts, passes = passes_of(TRUE))
  if (is.null(large)) {
    return(invisible())
  }
  inform_rlmm(
    c(
      sprintf(
        "Each of the %s of %s has a column, with which the fit takes long.",
        plural(length(large$levels), "level"),
        enumerate(tick(large_labels(large)))
      ),
      i = "With the defaults of `nAGQ`, `dispersion` and the engine they need none: see `?rglmm`."
    ),
    "rlmm_message_columns"
  )
}

# The rows that count: each as often as its weight says, where weights are frequencies.
weighed_frame <- function(frame, weights_type) {
  if (weights_type == "frequency") repeat_rows(frame) else frame
}

# The fixed part, with so many large factors, `most` at most, that they don't contain a random term.
uncontained_fixed <- function(make_fixed, random, n, most, is_generalized) {
  fixed <- make_fixed(most)
  repeat {
    contained <- contained_term(fixed, random$terms, n, is_generalized)
    if (is.na(contained)) {
      return(fixed)
    }
    large <- fixed$fixed$large
    n_factors <- n_blocks(large)
    if (n_factors == 1L) {
      check_affordable(large, random$random, contained, n)
    }
    fixed <- make_fixed(n_factors - 1L)
  }
}

# The spec with the levels of large factors as further terms; their numbers aren't kept elsewhere.
with_large_term <- function(design) {
  large <- design$fixed$large
  if (!is.null(large)) {
    design$spec$terms <- c(design$spec$terms, large_core_terms(large))
    design$fixed$large <- kept_large(large)
  }
  design
}

#' The number of a random term whose effects large factors, beside X, contain: these need X as it is
#'
#' A generalized model asks whether X contains a term with no more levels than X has columns, which
#' it can't tell beside levels.
#' @noRd
contained_term <- function(fixed, terms, n, is_generalized) {
  large <- fixed$fixed$large
  if (is.null(large)) {
    return(NA)
  }
  x <- column_matrix(fixed$x, n)
  possible <- length(large$levels) + ncol(x)
  is_contained <- vapply(
    terms,
    \(term) {
      (is_generalized && term$n_levels <= ncol(x)) ||
        term$n_levels <= possible &&
          contains_effects(x, large, column_matrix(term$z, n), term)
    },
    NA
  )
  match(TRUE, is_contained)
}

# The dummy columns of a factor are made if they take less than 2 GiB.
check_affordable <- function(large, random, core_term, n) {
  if (8 * as.double(n) * length(large$levels) < 2^31) {
    return(invisible())
  }
  owners <- vapply(random, `[[`, 1L, "core_term")
  abort_contained(large, random[[match(core_term, owners)]]$label, n)
}

check_design_arguments <- function(data, REML, sigma, control, approximation) {
  check_flag(REML, "REML")
  check_sigma(sigma)
  if (!is.null(approximation)) {
    check_glmm_held(control)
  }
  check_data(data)
}

# The spec from a design and its parts: what fixed_design() and random_design() return.
model_spec <- function(design, fixed, random, REML, sigma, approximation) {
  frame <- design$frame
  y <- if (is.null(approximation)) response(frame)
  held <- design$held
  spec <- design_spec(frame, fixed$x, y, random$terms, REML, sigma, held)
  if (is.null(approximation)) {
    spec
  } else {
    glmm_spec(spec, frame, approximation, design$random)
  }
}

#' The part of the spec that makes it a generalized model, with the response it wants
#' @noRd
glmm_spec <- function(spec, frame, approximation, random) {
  family <- approximation$family
  response <- frame_response(frame, family)
  check_glmm_response(
    response,
    frame[[1L]],
    family,
    names(frame)[1L],
    original_rows(frame)
  )
  tell_levels(frame[[1L]], names(frame)[1L])
  check_quadrature(approximation$nodes, random)
  spec[c("y", "weights")] <- list(response$y, response$weights)
  spec$counts <- frame_counts(frame)
  spec$glmm <- glmm_settings(approximation, spec)
  spec
}

check_glmm_held <- function(control) {
  other <- setdiff(names(control$fixed), "theta")
  if (length(other) > 0L) {
    abort_glmm(
      paste0("Holding ", tick(other[1L]), " by `fixed`"),
      "Only `theta` can be held."
    )
  }
}

default_na_action <- function(data) {
  own <- if (!is.environment(data)) attr(data, "na.action")
  if (!is.null(own) && !is.numeric(own)) own else getOption("na.action")
}
