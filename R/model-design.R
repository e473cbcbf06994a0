# Makes the design of a model from its formula and data: the frame, the fixed and random parts, and
# the spec for Rust.

#' Makes the design of a model: the spec for Rust, and the parts that the fit stores
#' @param approximation For a generalized model, the result of [glmm_approximation()], which
#'   includes the family.
#' @param weights_type The result of [read_weights_type()].
#' @param may_be_large Whether large factors may be kept out of X.
#' @return A list: `formula`, `frame`, `fixed`, `held`, `random`, the `spec` of SPEC.md, and
#'   `control`, without held parameters that a changed model lacks (see [drop_lost_held()]).
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
  passes <- expected_passes(!is.null(approximation))
  make_fixed <- \(most) {
    fixed_design(parsed, frame, env, data, contrasts, control, most, passes)
  }
  n <- count_rows(frame)
  most <- most_large_factors(may_be_large, n, passes)
  fixed <- uncontained_fixed(make_fixed, random, n, most)
  if (!is.null(approximation) && !may_be_large) {
    inform_many_columns(fixed$fixed$terms, frame, contrasts)
  }
  design <- list(
    formula = formula,
    frame = frame,
    fixed = fixed$fixed,
    random = random$random,
    control = drop_lost_held(control, fixed$fixed, random$random),
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

# The largest number of large factors that n rows can have.
most_large_factors <- function(may_be_large, n, passes) {
  if (may_be_large && is_large(n, n, passes)) max_large_factors else 0L
}

# Gives a message about a factor with many dummy columns in a generalized model whose options don't
# allow large factors.
inform_many_columns <- function(terms, frame, contrasts) {
  large <- find_large_factors(
    terms,
    frame,
    contrasts,
    passes = expected_passes(TRUE)
  )
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

# The frame with each row repeated by its weight, if weights are frequencies.
weighed_frame <- function(frame, weights_type) {
  if (weights_type == "frequency") repeat_rows(frame) else frame
}

# The fixed part with at most `most` large factors, and fewer if they would contain the effects of a
# random-effects term.
uncontained_fixed <- function(make_fixed, random, n, most) {
  if (most == 0L) {
    return(make_fixed(0L))
  }
  made <- hold_dropped_conditions(make_fixed(most))
  contained <- contained_term(made$value, random$terms, n)
  if (is.na(contained)) {
    lapply(made$conditions, signal_dropped)
    return(made$value)
  }
  large <- made$value$fixed$large
  n_factors <- n_blocks(large)
  if (n_factors == 1L) {
    check_affordable(large, random$random, contained, n)
  }
  uncontained_fixed(make_fixed, random, n, n_factors - 1L)
}

# The value of an expression, and its messages and warnings about dropped columns, which are held
# back.
hold_dropped_conditions <- function(expr) {
  held <- new.env(parent = emptyenv())
  hold_back <- function(cnd) {
    held$conditions <- c(held$conditions, list(cnd))
    rlang::cnd_muffle(cnd)
  }
  value <- withCallingHandlers(
    expr,
    rlmm_message_rankx = hold_back,
    rlmm_warning_rankx = hold_back
  )
  list(value = value, conditions = held$conditions)
}

# Signals a message or warning that was held back.
signal_dropped <- function(cnd) {
  kind <- if (inherits(cnd, "message")) "message" else "warning"
  signal(kind, cnd$message, "rankx", dropped = cnd$dropped)
}

# Appends the levels of large factors to the spec; the design then drops vectors of the length of
# the data.
with_large_term <- function(design) {
  large <- design$fixed$large
  if (!is.null(large)) {
    design$spec$terms <- c(design$spec$terms, large_core_terms(large))
    design$fixed$large <- kept_large(large)
  }
  design
}

#' The number of a random-effects term whose columns are in the span of X and the large factors,
#' which must then be columns of X
#' @noRd
contained_term <- function(fixed, terms, n) {
  large <- fixed$fixed$large
  if (is.null(large)) {
    return(NA)
  }
  x <- column_matrix(fixed$x, n)
  possible <- length(large$levels) + ncol(x)
  is_contained <- vapply(
    terms,
    \(term) {
      term$n_levels <= possible &&
        contains_effects(x, large, column_matrix(term$z, n), term)
    },
    NA
  )
  match(TRUE, is_contained)
}

# Raises an error if the dummy columns of a factor would take 2 GiB or more.
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

# The spec from a design and the results of fixed_design() and random_design().
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

#' Adds the elements of a generalized model to a spec
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
  inform_levels(frame[[1L]], names(frame)[1L])
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
