# Writes tests/reference/glmm.json: for every model of tests/testthat/helper-registry-glmm.R the
# objective of lme4's glmer() at fixed parameters, the best optimum that any of its optimizers
# reaches under tight tolerances, and the optimum of glmmTMB, whose Laplace approximation has the
# observed information. Run from the root of the package, with lme4 (>= 2.1), glmmTMB, MASS and
# mlmRev installed: Rscript data-raw/reference-glmer.R [name of a model ...] With names, only those
# models are computed anew. All of them take about a quarter of an hour.

suppressPackageStartupMessages(library(lme4))
source("tests/testthat/helper-models.R")
source("tests/testthat/helper-registry-glmm.R")
source("data-raw/reference-json.R")

limits <- list(
  bobyqa = list(rhobeg = 0.02, rhoend = 1e-8, maxfun = 1e5),
  nloptwrap = list(xtol_abs = 1e-10, ftol_abs = 1e-10, maxeval = 1e5),
  Nelder_Mead = list(
    FtolAbs = 1e-9,
    FtolRel = 1e-14,
    XtolRel = 1e-8,
    maxfun = 1e5
  ),
  nlminbwrap = list(
    rel.tol = 1e-14,
    abs.tol = 0,
    x.tol = 1e-10,
    eval.max = 1e4,
    iter.max = 1e4
  )
)

control_for <- function(optimizer, tol = 1e-11) {
  glmerControl(
    optimizer = optimizer,
    optCtrl = limits[[optimizer]],
    tolPwrss = tol,
    calc.derivs = FALSE,
    check.conv.singular = "ignore"
  )
}

quietly <- function(expr) suppressMessages(suppressWarnings(expr))

# PIRLS may find that it can't be as exact as it is told to be.
attempt <- function(make, tolerances = c(1e-13, 1e-11, 1e-9, 1e-7)) {
  for (tol in tolerances) {
    value <- tryCatch(quietly(make(tol)), error = function(cnd) cnd)
    if (!inherits(value, "error")) return(value)
  }
  message("  ", conditionMessage(value))
  NULL
}

glmer_fit <- function(model, data, optimizer, start = NULL) {
  attempt(function(tol) {
    lmm_fit(
      glmer,
      model,
      model$lme4,
      control = control_for(optimizer, tol),
      start = start,
      data = data
    )
  })
}

objective <- function(fit) -2 * as.numeric(logLik(fit))

is_fast <- function(model) identical(model$args$nAGQ, 0)

# Every optimizer from the default start, then again from the best point, until nothing falls any
# more.
glmer_best <- function(model, data) {
  optimizers <- if (model$large) c("bobyqa", "nloptwrap") else names(limits)
  best <- NULL
  for (round in 1:3) {
    start <- if (!is.null(best)) list(theta = getME(best, "theta"))
    if (!is.null(best) && !is_fast(model)) {
      start$fixef <- fixef(best)
    }
    fits <- Filter(
      Negate(is.null),
      c(
        lapply(optimizers, function(opt) glmer_fit(model, data, opt, start)),
        best
      )
    )
    if (length(fits) == 0) {
      return(NULL)
    }
    previous <- if (is.null(best)) Inf else objective(best)
    best <- fits[[which.min(vapply(fits, objective, 1))]]
    if (model$large || previous - objective(best) < 1e-9) break
  }
  best
}

# Theta at its start, at zero and between, with the fixed effects near their estimates, and the
# optimum.
points_near <- function(best) {
  theta <- unname(getME(best, "theta"))
  start <- ifelse(getME(best, "lower") == 0, 1, 0)
  beta <- unname(fixef(best))
  se <- unname(sqrt(diag(as.matrix(vcov(best, use.hessian = FALSE)))))
  away <- function(size) beta + size * se * (-1)^seq_along(beta)
  list(
    list(theta, beta),
    list(0.5 * theta + 0.2 * start, away(0.3)),
    list(0 * theta, beta),
    list(replace(theta + 0.1, 1, 0), away(-0.5)),
    list(start * 0.7, away(0.2))
  )
}

objectives <- function(model, data, best) {
  deviance_at <- attempt(function(tol) {
    control <- control_for("bobyqa", tol)
    lmm_fit(
      glmer,
      model,
      model$lme4,
      control = control,
      devFunOnly = TRUE,
      data = data
    )
  })
  # The deviance function warns, or stops, where PIRLS fails.
  value <- function(point) {
    tryCatch(
      deviance_at(if (is_fast(model)) point[[1]] else unlist(point)),
      error = function(cnd) NA,
      warning = function(w) NA
    )
  }
  points <- points_near(best)
  # Twice, from warm modes.
  values <- vapply(
    points,
    function(point) {
      value(point)
      as.numeric(value(point))
    },
    1
  )
  keep <- is.finite(values)
  list(points = points[keep], values = values[keep])
}

# glmmTMB ---------------------------------------------------------------------

tmb_fit <- function(model, data) {
  if (!is.null(model$args$nAGQ) || "subset" %in% names(model$args)) {
    return(NULL)
  }
  family <- model$args$family
  extra <- list()
  if (
    is.call(family) && identical(family[[1]], quote(MASS::negative.binomial))
  ) {
    extra <- list(
      start = list(betadisp = log(family[[2]])),
      map = list(betadisp = factor(NA))
    )
    model$args$family <- call(
      "nbinom2",
      link = if (is.null(family$link)) "log" else family$link
    )
  }
  args <- c(list(glmmTMB::glmmTMB, model, model$lme4, data = data), extra)
  tryCatch(
    quietly(do.call(lmm_fit, args, quote = TRUE)),
    error = function(cnd) {
      message("  glmmTMB: ", conditionMessage(cnd))
    }
  )
}
nbinom2 <- glmmTMB::nbinom2

# Theta in lme4's order; NULL if a covariance has no Cholesky factor to speak of.
tmb_theta <- function(fit, cnms) {
  components <- glmmTMB::VarCorr(fit)$cond
  groups <- sub("\\.[0-9]+$", "", names(components))
  theta <- list()
  for (i in seq_along(cnms)) {
    columns <- lapply(components, colnames)
    at <- which(
      groups == names(cnms)[i] & vapply(columns, identical, NA, cnms[[i]])
    )[1]
    if (is.na(at)) {
      return(NULL)
    }
    covariance <- matrix(as.numeric(components[[at]]), length(cnms[[i]]))
    groups[at] <- ""
    correlation <- stats::cov2cor(covariance + diag(1e-300, nrow(covariance)))
    if (any(diag(covariance) < 1e-6) || min(eigen(correlation)$values) < 1e-4) {
      return(NULL)
    }
    factor <- t(chol(covariance))
    theta[[i]] <- factor[lower.tri(factor, TRUE)]
  }
  unlist(theta)
}

tmb_reference <- function(model, data, best) {
  fit <- tmb_fit(model, data)
  if (is.null(fit) || !is.finite(logLik(fit))) {
    return(NULL)
  }
  theta <- tmb_theta(fit, getME(best, "cnms"))
  if (is.null(theta)) {
    return(NULL)
  }
  family <- stats::family(fit)$family
  shape <- switch(
    family,
    Gamma = ,
    gaussian = stats::sigma(fit)^2,
    nbinom2 = stats::sigma(fit),
    1
  )
  beta <- unname(glmmTMB::fixef(fit)$cond)
  list(
    objective = objective(fit),
    theta = theta,
    beta = beta[!is.na(beta)],
    shape = shape
  )
}

# -----------------------------------------------------------------------------

reference <- function(name) {
  started <- Sys.time()
  model <- glmm_models[[name]]
  data <- glmm_frame(model)
  best <- glmer_best(model, data)
  if (is.null(best)) {
    return(NULL)
  }
  at <- objectives(model, data, best)
  seconds <- as.numeric(difftime(Sys.time(), started, units = "secs"))
  message(sprintf(
    "%s: %.6f, %d points, %.1f s",
    name,
    objective(best),
    length(at$values),
    seconds
  ))
  list(
    name = name,
    family = family(best)$family,
    link = family(best)$link,
    n = nobs(best),
    p = length(fixef(best)),
    q = getME(best, "q"),
    theta = lapply(at$points, `[[`, 1),
    beta = lapply(at$points, `[[`, 2),
    objective = at$values,
    optimum = list(
      objective = objective(best),
      theta = unname(getME(best, "theta")),
      sigma = sigma(best),
      beta = unname(fixef(best)),
      se = unname(sqrt(diag(as.matrix(vcov(best, use.hessian = FALSE))))),
      optimizer = best@optinfo$optimizer[1]
    ),
    glmmtmb = tryCatch(tmb_reference(model, data, best), error = function(cnd) {
      NULL
    })
  )
}

unbox_model <- function(model) {
  model$optimum <- unbox(model$optimum, c("objective", "sigma", "optimizer"))
  model <- Filter(function(field) length(field) > 0, model)
  if (!is.null(model$glmmtmb)) {
    model$glmmtmb <- unbox(model$glmmtmb, c("objective", "shape"))
  }
  unbox(model, c("name", "family", "link", "n", "p", "q"))
}

update_references(
  "tests/reference/glmm.json",
  glmm_models,
  reference,
  unbox_model,
  c(lme4 = "lme4", glmmTMB = "glmmTMB")
)
