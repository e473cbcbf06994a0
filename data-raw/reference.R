# Writes tests/reference/lmm.json: for every model of the registry the objective of lme4 at fixed
# values of theta, and the best optimum that any of lme4's optimizers reaches under tight
# tolerances. Run from the root of the package, with rlmm, lme4 (>= 2.0), nlme, MASS and mlmRev
# installed: Rscript data-raw/reference.R [name of a model ...] With names, only those models are
# computed anew. It takes about three minutes.

library(lme4)
source("tests/testthat/helper-models.R")
source("data-raw/reference-json.R")

controls <- list(
  bobyqa = list(rhobeg = 0.2, rhoend = 1e-9, maxfun = 1e5),
  nloptwrap = list(xtol_abs = 1e-11, ftol_abs = 1e-11, maxeval = 1e5),
  Nelder_Mead = list(
    FtolAbs = 1e-10,
    FtolRel = 1e-15,
    XtolRel = 1e-9,
    maxfun = 1e5
  ),
  nlminbwrap = list(
    rel.tol = 1e-15,
    abs.tol = 0,
    x.tol = 1e-12,
    eval.max = 1e4,
    iter.max = 1e4
  )
)

lme4_fit <- function(model, data, optimizer, start = NULL) {
  control <- lmerControl(
    optimizer = optimizer,
    optCtrl = controls[[optimizer]],
    calc.derivs = FALSE,
    check.conv.singular = "ignore"
  )
  suppressMessages(lmm_fit(
    lmer,
    model,
    model$lme4,
    control = control,
    start = start,
    data = data
  ))
}

objective <- function(fit) if (isREML(fit)) REMLcrit(fit) else deviance(fit)

# Every optimizer from the default start, then again from the best point, until nothing falls any
# more.
lme4_best <- function(model, data) {
  optimizers <- if (model$large) c("bobyqa", "nloptwrap") else names(controls)
  best <- NULL
  for (round in 1:3) {
    start <- if (!is.null(best)) list(theta = getME(best, "theta"))
    fits <- lapply(optimizers, function(opt) {
      tryCatch(lme4_fit(model, data, opt, start), error = function(e) NULL)
    })
    fits <- Filter(Negate(is.null), c(fits, best))
    previous <- if (is.null(best)) Inf else objective(best)
    best <- fits[[which.min(vapply(fits, objective, 1))]]
    if (model$large || previous - objective(best) < 1e-9) break
  }
  best
}

theta_points <- function(start, optimum) {
  first_zero <- replace(start, 1, 0)
  inner <- 0.4 * start + 0.1 * (-1)^seq_along(start) * (start == 0)
  unique(unname(list(start, inner, first_zero, 0 * start, optimum)))
}

reference <- function(name) {
  message(name)
  model <- lmm_models[[name]]
  data <- lmm_data(model)
  best <- lme4_best(model, data)
  theta <- unname(getME(best, "theta"))
  deviance_at <- suppressMessages(lmm_fit(
    lmer,
    model,
    model$lme4,
    devFunOnly = TRUE,
    data = data
  ))
  start <- ifelse(getME(best, "lower") == 0, 1, 0)
  points <- theta_points(unname(start), theta)
  list(
    name = name,
    criterion = if (isREML(best)) "reml" else "ml",
    n = nobs(best),
    p = length(fixef(best)),
    q = getME(best, "q"),
    theta = points,
    objective = vapply(points, deviance_at, 1),
    optimum = list(
      objective = objective(best),
      theta = theta,
      sigma = sigma(best),
      beta = unname(fixef(best)),
      se = unname(sqrt(diag(as.matrix(vcov(best))))),
      optimizer = best@optinfo$optimizer
    )
  )
}

unbox_model <- function(model) {
  model$optimum <- unbox(model$optimum, c("objective", "sigma", "optimizer"))
  unbox(model, c("name", "criterion", "n", "p", "q"))
}

update_references(
  "tests/reference/lmm.json",
  lmm_models,
  reference,
  unbox_model,
  c(lme4 = "lme4")
)
