# Every model of bench/validation-models.R fitted by rlmm, by lme4, by glmmTMB, and by other
# optimizers of rlmm: who finds the best point, do estimates and standard errors agree, is the
# verdict true? Needs lme4 2.1 and glmmTMB.
#
#   Rscript bench/validation.R run 1 10    the first tenth of the models, to bench/validation-1.csv
#   Rscript bench/validation.R table 10    the parts together: bench/validation.csv, and the two
#                                          files that vignette("validation") shows
#
# Points are compared by one ruler: rlmm's objective (the REML criterion, or -2 log-likelihood) at
# each program's estimates, so that constants and definitions don't matter. That the rulers are the
# same is a column of its own.
#
# | column | what |
# |---|---|
# | objective | rlmm's, at its estimates |
# | lme4, glmmTMB, others | by how much it is higher at the estimates of lme4, glmmTMB, the best of rlmm's other optimizers |
# | ruler | largest difference between a peer's own value and rlmm's objective at the same estimates |
# | beta | largest difference of a fixed effect from the best peer's, in standard errors |
# | std_error | largest relative difference of their standard errors |
# | verdict | rlmm's certificate |
# | note | what differs, and why |

suppressPackageStartupMessages(library(rlmm))
for (package in c("lme4", "glmmTMB")) {
  suppressWarnings(loadNamespace(package))
}
source("tests/testthat/helper-models.R")
source("tests/testthat/helper-registry-glmm.R")
source("bench/validation-models.R")

quietly <- function(expr) suppressWarnings(suppressMessages(expr))

# An error is a result.
tried <- function(expr) {
  tryCatch(quietly(expr), error = \(cnd) conditionMessage(cnd))
}

# Families --------------------------------------------------------------------

# What each program is given: `ours` and `lme4` a family and arguments, `glmmTMB` likewise; `NULL`
# where a program doesn't have the likelihood.
observed <- list(dispersion = "estimated", information = "observed")
families <- list(
  linear = list(ours = list(), lme4 = list(), glmmTMB = list(REML = TRUE)),
  "linear, ML" = list(
    ours = list(REML = FALSE),
    lme4 = list(REML = FALSE),
    glmmTMB = list()
  ),
  logit = list(family = stats::binomial()),
  probit = list(family = stats::binomial("probit"), lme4_only = TRUE),
  cloglog = list(family = stats::binomial("cloglog"), lme4_only = TRUE),
  poisson = list(family = stats::poisson()),
  sqrt = list(family = stats::poisson("sqrt"), lme4_only = TRUE),
  gamma = list(family = stats::Gamma("log"), lme4_only = TRUE),
  "gaussian, log" = list(family = stats::gaussian("log"), lme4_only = TRUE),
  "gamma, ML" = list(
    ours = c(list(family = stats::Gamma("log")), observed),
    glmmTMB = list(family = stats::Gamma("log"))
  ),
  nbinom2 = list(
    ours = list(information = "observed"),
    glmmTMB = list(family = quote(glmmTMB::nbinom2()))
  ),
  nbinom1 = list(
    ours = list(family = quote(rlmm::nbinom1())),
    glmmTMB = list(family = quote(glmmTMB::nbinom1()))
  )
)

# The arguments of each program for a model.
arguments_of <- function(model) {
  if (inherits(model$family, "family") || is.function(model$family)) {
    given <- list(family = model$family, lme4_only = TRUE)
  } else {
    given <- families[[model$family]]
  }
  if (!is.null(given$family)) {
    family <- list(family = given$family)
    given <- list(
      ours = family,
      lme4 = family,
      glmmTMB = if (is.null(given$lme4_only)) family
    )
  }
  if (length(model$args) > 0) {
    # What the registry adds, glmmTMB may not understand.
    given <- list(
      ours = c(given$ours, model$args),
      lme4 = c(given$lme4, model$args[!names(model$args) %in% own_arguments])
    )
  }
  given
}

own_arguments <- c("dispersion", "information", "fast", "sigma")

fit_by <- function(fun, formula, data, args) {
  eval(as.call(c(fun, formula, quote(data), args)))
}

fit_ours <- function(model, data, args) {
  fitter <- if (identical(model$family, "nbinom2")) {
    rlmm::rglmm_nb
  } else if (is.character(model$family) && startsWith(model$family, "linear")) {
    rlmm::rlmm
  } else {
    rlmm::rglmm
  }
  fit_by(fitter, model$formula, data, args)
}

fit_lme4 <- function(model, data, args) {
  is_linear <- is.null(args$family)
  fitter <- if (is_linear) lme4::lmer else lme4::glmer
  fit_by(fitter, model$lme4 %||% model$formula, data, args)
}

# Points ----------------------------------------------------------------------

# A peer's estimates as rlmm's parameters: theta, the fixed effects, the logarithm of a shape.
point_lme4 <- function(peer, fit) {
  theta <- lme4::getME(peer, "theta")
  beta <- lme4::fixef(peer)
  list(
    parameters = if (isGLMM(fit) && !fit$glmm$fast) c(theta, beta) else theta,
    beta = beta,
    std_error = sqrt(diag(as.matrix(stats::vcov(peer)))),
    value = if (isREML(fit)) lme4::REMLcrit(peer) else -2 * loglik(peer)
  )
}

loglik <- function(fit) as.numeric(stats::logLik(fit))

point_glmmtmb <- function(peer, fit) {
  beta <- glmmTMB::fixef(peer)$cond
  theta <- theta_of(glmmTMB::VarCorr(peer)$cond, fit, stats::sigma(peer))
  shape <- glmmtmb_shape(peer, fit)
  list(
    parameters = if (isGLMM(fit)) c(theta, beta, shape) else theta,
    beta = beta,
    std_error = sqrt(diag(stats::vcov(peer)$cond)),
    value = -2 * loglik(peer)
  )
}

glmmtmb_shape <- function(peer, fit) {
  if (!identical(fit$glmm$shape_kind, "estimated")) {
    return(NULL)
  }
  shape <- stats::sigma(peer)
  log(if (stats::family(peer)$family == "Gamma") shape^2 else shape)
}

# Theta from covariance matrices: each term of rlmm finds its effects in one of them.
theta_of <- function(components, fit, sigma) {
  unit <- if (isGLMM(fit)) 1 else sigma
  theta <- numeric(length(fit$theta))
  for (term in fit$random) {
    covariance <- component_of(term, components)
    factor <- lower_root(covariance) / unit
    theta[term$theta] <- factor[lower.tri(factor, diag = TRUE)]
  }
  theta
}

component_of <- function(term, components) {
  groups <- sub("[.][0-9]+$", "", names(components))
  has_effects <- vapply(
    components,
    \(component) all(term$columns %in% colnames(component)),
    NA
  )
  at <- which(same_group(groups, term$group) & has_effects)[1]
  components[[at]][term$columns, term$columns, drop = FALSE]
}

# `a:b` and `b:a` are one grouping.
same_group <- function(groups, group) {
  sorted <- \(x) {
    vapply(strsplit(x, ":"), \(p) paste(sort(p), collapse = ":"), "")
  }
  sorted(groups) == sorted(group)
}

# A lower triangular root, also of a singular matrix.
lower_root <- function(covariance) {
  found <- eigen(covariance, symmetric = TRUE)
  root <- found$vectors %*% (sqrt(pmax(found$values, 0)) * t(found$vectors))
  factor <- t(qr.R(qr(t(root))))
  factor %*% diag(ifelse(diag(factor) < 0, -1, 1), nrow(factor))
}

# Comparison ------------------------------------------------------------------

validate <- function(model) {
  data <- model$data()
  args <- arguments_of(model)
  fit <- tried(fit_ours(model, data, args$ours))
  if (is.character(fit)) {
    return(unfitted(model, data, args, fit))
  }
  peers <- list(
    lme4 = peer_point(args$lme4, fit, fit_lme4, point_lme4, model, data),
    glmmTMB = peer_point(
      args$glmmTMB,
      fit,
      \(model, data, args) {
        fit_by(glmmTMB::glmmTMB, model$formula, data, args)
      },
      point_glmmtmb,
      model,
      data
    )
  )
  compared(model, data, fit, peers, other_optimum(fit))
}

# A peer's estimates in rlmm's parameters; text, if it failed; `NULL` without such a likelihood.
peer_point <- function(args, fit, fitter, point, model, data) {
  if (is.null(args)) {
    return(NULL)
  }
  peer <- tried(fitter(model, data, args))
  if (is.character(peer)) {
    return(peer)
  }
  point <- tried(point(peer, fit))
  if (is.character(point)) {
    return(point)
  }
  point$objective <- tried(as.function(fit)(unname(point$parameters)))
  if (is.numeric(point$objective)) point else "no such point"
}

# The best of three other optimizers, from the default start.
other_optimum <- function(fit) {
  names <- c("LN_BOBYQA", "LN_NELDERMEAD", "LD_LBFGS")
  if (length(fit$theta) == 0) {
    return(NA_real_)
  }
  found <- tried(allFit(fit, names, ncpus = 1))
  values <- vapply(unclass(found), objective_or_na, 0)
  min(values, Inf, na.rm = TRUE)
}

objective_or_na <- function(fit) {
  if (inherits(fit, "rlmm")) fit$dev$objective else NA_real_
}

compared <- function(model, data, fit, peers, other) {
  own <- fit$dev$objective
  objectives <- vapply(peers, objective_of, 0)
  best <- best_peer(peers, objectives)
  row <- c(
    described(model, data),
    list(
      objective = own,
      lme4 = objectives[["lme4"]] - own,
      glmmTMB = objectives[["glmmTMB"]] - own,
      others = other - own,
      ruler = ruler_of(peers),
      beta = beta_difference(fit, best),
      std_error = error_difference(fit, best),
      singular = isSingular(fit),
      verdict = certificate(fit)$verdict
    )
  )
  row$note <- note_of(row, peers)
  as.data.frame(row)
}

described <- function(model, data) {
  family <- model$family
  if (is.function(family)) {
    family <- family()
  }
  if (inherits(family, "family")) {
    family <- paste0(family$family, ", ", family$link)
  }
  list(
    id = model$id,
    source = model$source,
    family = family,
    formula = deparse1(model$formula),
    n = nrow(data)
  )
}

objective_of <- function(peer) {
  if (is.list(peer)) peer$objective else NA_real_
}

best_peer <- function(peers, objectives) {
  if (all(is.na(objectives))) NULL else peers[[which.min(objectives)]]
}

ruler_of <- function(peers) {
  points <- Filter(is.list, peers)
  if (length(points) == 0) {
    return(NA_real_)
  }
  max(vapply(points, \(p) abs(p$value - p$objective), 0), -Inf, na.rm = TRUE)
}

own_errors <- function(fit) sqrt(diag(as.matrix(stats::vcov(fit))))

beta_difference <- function(fit, best) {
  beta <- fixef(fit)
  if (is.null(best) || length(best$beta) != length(beta) || length(beta) == 0) {
    return(NA_real_)
  }
  max(abs(beta - best$beta) / quietly(own_errors(fit)))
}

error_difference <- function(fit, best) {
  errors <- quietly(own_errors(fit))
  if (is.null(best) || length(best$std_error) != length(errors)) {
    return(NA_real_)
  }
  max(abs(best$std_error / errors - 1), -Inf)
}

unfitted <- function(model, data, args, message) {
  peer <- if (!is.null(args$lme4)) tried(fit_lme4(model, data, args$lme4))
  row <- described(model, data)
  missing <- c("objective", "lme4", "glmmTMB", "others", "ruler", "beta")
  row[c(missing, "std_error")] <- NA_real_
  also <- if (is.character(peer)) "; so does lme4" else ""
  note <- paste0("rlmm refuses it: ", first_line(message), also)
  as.data.frame(c(row, singular = NA, verdict = "refused", note = note))
}

first_line <- function(text) sub("\n.*", "", text)

# What differs ----------------------------------------------------------------

much <- 1e-4

note_of <- function(row, peers) {
  notes <- c(
    lower_note(row),
    peer_note("lme4", row$lme4, peers$lme4),
    peer_note("glmmTMB", row$glmmTMB, peers$glmmTMB),
    if (row$verdict != "optimal") paste("verdict:", row$verdict),
    estimates_note(row)
  )
  paste(notes, collapse = "; ")
}

lower_note <- function(row) {
  gains <- unlist(row[c("lme4", "glmmTMB", "others")])
  gains <- gains[is.finite(gains)]
  if (length(gains) == 0 || min(gains) > -much) {
    return(NULL)
  }
  sprintf("rlmm is %s above %s", short(-min(gains)), names(which.min(gains)))
}

peer_note <- function(name, excess, peer) {
  if (is.character(peer)) {
    return(paste0(name, " fails: ", substr(first_line(peer), 1, 60)))
  }
  if (is.null(peer)) {
    return(NULL)
  }
  difference <- abs(peer$value - peer$objective)
  c(
    if (!is.finite(excess)) paste(name, "reports no optimum"),
    if (isTRUE(excess > much)) paste(name, "stops", short(excess), "above"),
    if (isTRUE(difference > 1e-3)) {
      paste(name, "differs at the same estimates by", short(difference))
    }
  )
}

estimates_note <- function(row) {
  same_point <- isTRUE(abs(min(row$lme4, row$glmmTMB, na.rm = TRUE)) < 1e-6)
  if (!same_point) {
    return(NULL)
  }
  c(
    if (isTRUE(row$beta > 0.01)) "estimates differ on a flat objective",
    if (isTRUE(row$std_error > 0.02)) "standard errors differ at one optimum"
  )
}

short <- function(x) format(signif(x, 2), scientific = x < 1e-3)

# Running ---------------------------------------------------------------------

# In an order that makes any part a sample of all.
all_models <- function() {
  models <- c(registry_models(), data_set_models(), simulated_models())
  set.seed(1)
  models[sample(length(models))]
}

# A row is written as soon as it is known; models that have one are passed over.
run_part <- function(part, parts) {
  models <- all_models()
  models <- models[seq_along(models) %% parts == part %% parts]
  file <- sprintf("bench/validation-%d.csv", part)
  known <- if (file.exists(file)) utils::read.csv(file)$id
  for (model in models[!vapply(models, `[[`, "", "id") %in% known]) {
    row <- tryCatch(validate(model), error = \(cnd) {
      message(model$id, ": ", conditionMessage(cnd))
    })
    if (!is.null(row)) {
      append_row(rounded(row), file)
    }
  }
}

append_row <- function(row, file) {
  is_new <- !file.exists(file)
  utils::write.table(
    row,
    file,
    append = !is_new,
    sep = ",",
    qmethod = "double",
    row.names = FALSE,
    col.names = is_new
  )
}

rounded <- function(table) {
  numbers <- c("lme4", "glmmTMB", "others", "ruler", "beta", "std_error")
  table[numbers] <- lapply(table[numbers], signif, 2)
  table$objective <- signif(table$objective, 10)
  table
}

command <- commandArgs(trailingOnly = TRUE)
if (identical(command[1], "run")) {
  run_part(as.integer(command[2]), as.integer(command[3]))
}
if (identical(command[1], "count")) {
  models <- all_models()
  print(table(vapply(models, `[[`, "", "source")))
  packages <- sub(
    "::.*",
    "",
    grep("::", vapply(models, `[[`, "", "id"), value = TRUE)
  )
  print(table(packages))
}
if (identical(command[1], "time")) {
  models <- all_models()
  print(length(models))
  for (i in round(seq(1, length(models), length.out = 24))) {
    t <- system.time(
      row <- tryCatch(validate(models[[i]]), error = \(cnd) {
        conditionMessage(cnd)
      })
    )
    cat(
      i,
      models[[i]]$id,
      t[["elapsed"]],
      t[["user.self"]],
      if (is.data.frame(row)) {
        paste(
          signif(
            unlist(row[c(
              "lme4",
              "glmmTMB",
              "others",
              "ruler",
              "beta",
              "std_error"
            )]),
            2
          ),
          collapse = " "
        )
      } else {
        row
      },
      if (is.data.frame(row)) row$note,
      "\n"
    )
  }
}
