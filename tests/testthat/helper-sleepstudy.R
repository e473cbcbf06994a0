# Fits of sleepstudy.

# The model that lme4's documentation begins with.
sleep_fit <- function(...) {
  rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, ...)
}

# A fit with parameters held.
hold <- function(fixed, formula = Reaction ~ Days + (Days | Subject), ...) {
  rlmm(formula, sleepstudy, control = rlmm_control(fixed = fixed), ...)
}
