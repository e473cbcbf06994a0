# Pairs of fits for the tests of accessors: one of ours, and lme4's model of the same data at the
# same theta (its optimizer switched off), so that every number must agree to rounding.

accessor_models <- c(
  "dyestuff_ml",
  "dyestuff2",
  "sleep",
  "sleep_ml",
  "sleep_two_terms",
  "sleep_bars",
  "machines_workers",
  "pastes",
  "penicillin",
  "cake_dummy",
  "pixel",
  "cbpp",
  "sleep_weights",
  "sleep_offset",
  "sleep_no_fixed",
  "sleep_aliased",
  "oats",
  "ozone",
  "wafer",
  "orthodont",
  "loblolly"
)

lme4_pairs <- new.env()

lme4_pair <- function(name) {
  if (is.null(lme4_pairs[[name]])) {
    model <- lmm_models[[name]]
    data <- lmm_data(model)
    fit <- suppressMessages(lmm_fit(rlmm, model, data = data))
    control <- lme4::lmerControl(optimizer = NULL, calc.derivs = FALSE)
    twin <- suppressWarnings(suppressMessages(
      lmm_fit(
        lme4::lmer,
        model,
        formula = model$lme4,
        data = data,
        start = fit$theta,
        control = control
      )
    ))
    lme4_pairs[[name]] <- list(fit = fit, lme4 = twin)
  }
  lme4_pairs[[name]]
}

# check(fit, lme4's fit) for each model.
for_each_pair <- function(check, models = accessor_models) {
  skip_if_not_installed("lme4")
  for (name in models) {
    if (is.null(lmm_data(lmm_models[[name]]))) {
      next
    }
    pair <- lme4_pair(name)
    rlang::try_fetch(check(pair$fit, pair$lme4), error = function(cnd) {
      rlang::abort(paste("In model", name), parent = cnd)
    })
  }
}

# The same numbers in the same places; classes and names aside.
expect_values <- function(object, expected, tolerance = 1e-6, label = NULL) {
  plain <- function(x) {
    if (methods::is(x, "Matrix")) {
      x <- as.matrix(x)
    }
    if (is.matrix(x)) unname(matrix(as.numeric(x), nrow(x))) else as.numeric(x)
  }
  expect_equal(
    plain(object),
    plain(expected),
    tolerance = tolerance,
    label = label
  )
}

# Random effects without their variances.
plain_modes <- function(x) {
  lapply(unclass(x), function(table) {
    attr(table, "postVar") <- NULL
    table
  })
}
