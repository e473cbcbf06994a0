# Pairs of our fit and lme4's of the same model at the same theta, so that methods can be compared
# to rounding error. Made once.

twin_names <- c(
  "dyestuff_ml",
  "dyestuff2",
  "sleep",
  "sleep_ml",
  "sleep_subset",
  "sleep_poly",
  "sleep_ns",
  "sleep_bars",
  "sleep_two_terms",
  "machines_workers",
  "orthodont",
  "muscle",
  "npk",
  "rabbit",
  "cake_dummy",
  "pastes",
  "pastes_sample",
  "oats_factor",
  "pixel",
  "glucose",
  "penicillin",
  "penicillin_ml",
  "cbpp",
  "sleep_weights",
  "penicillin_weights",
  "sleep_offset",
  "sleep_offset_term",
  "sleep_no_fixed",
  "sleep_through_zero",
  "sleep_aliased",
  "ozone"
)

made_twins <- new.env()

# list(ours, theirs, data), or NULL where the data are missing
twin <- function(name) {
  testthat::skip_if_not_installed("lme4")
  if (is.null(made_twins[[name]])) {
    made_twins[[name]] <- list(make_twin(lmm_models[[name]]))
  }
  made_twins[[name]][[1]]
}

make_twin <- function(model) {
  data <- lmm_data(model)
  if (is.null(data)) {
    return(NULL)
  }
  ours <- suppressMessages(lmm_fit(rlmm, model, data = data))
  list(ours = ours, theirs = lme4_twin(ours, model, data), data = data)
}

lme4_twin <- function(ours, model, data) {
  control <- lme4::lmerControl(
    optimizer = NULL,
    calc.derivs = FALSE,
    check.rankX = "silent.drop.cols"
  )
  suppressMessages(lmm_fit(
    lme4::lmer,
    model,
    start = ours$theta,
    control = control,
    data = data
  ))
}

# The same of a model that isn't in the registry.
new_twin <- function(formula, data, ...) {
  testthat::skip_if_not_installed("lme4")
  model <- list(formula = formula, args = as.list(substitute(list(...)))[-1])
  ours <- suppressMessages(lmm_fit(rlmm, model, data = data))
  list(ours = ours, theirs = lme4_twin(ours, model, data), data = data)
}

for_each_twin <- function(compare, names = twin_names) {
  testthat::skip_if_not_installed("lme4")
  for (name in names) {
    pair <- twin(name)
    if (!is.null(pair)) compare(pair$ours, pair$theirs, pair$data, name)
  }
}
