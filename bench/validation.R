# Every model of bench/validation-models.R fitted by rlmm, by lme4, by glmmTMB, and by other
# optimizers of rlmm: who finds the best point, do estimates and standard errors agree, is the
# verdict true? Needs lme4 2.1 and glmmTMB.
#
#   Rscript bench/validation.R run 1 10    a tenth of the models, to bench/validation-1.csv
#   Rscript bench/validation.R errors      where standard errors differ, checks those of rlmm
#   Rscript bench/validation.R table       the parts together: bench/validation.csv, and the two
#                                          files that vignette("validation") shows
#
# Points are compared by one ruler: rlmm's objective (the REML criterion, or -2 log-likelihood) at
# each program's estimates, so that constants and definitions don't matter. That the rulers are the
# same is a column of its own.
#
# | column | what |
# |---|---|
# | objective | rlmm's, at its estimates |
# | lme4, glmmTMB | by how much it is higher at their estimates |
# | others | likewise at the best of three other optimizers of rlmm |
# | ruler | largest difference of a peer's own value from rlmm's objective at the peer's estimates |
# | beta | largest difference of a fixed effect from the best peer's, in standard errors |
# | std_error | largest relative difference of their standard errors |
# | verdict | rlmm's certificate |
# | checked | where `std_error` is above 0.02: the same beside dense algebra, or differences |
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
  omegas <- lapply(fit$random, \(term) component_of(term, components) / unit^2)
  theta <- numeric(length(fit$theta))
  own <- unlist(lapply(fit$random, `[[`, "theta"))
  theta[own] <- unlist(rlmm:::core_nearest_theta(fit$random, omegas))
  theta
}

component_of <- function(term, components) {
  # Further terms of one group get a number; a group's own name may end in one.
  own <- names(components)
  is_own <- same_group(own, term$group)
  is_further <- same_group(sub("[.][0-9]+$", "", own), term$group)
  has_effects <- vapply(
    components,
    \(component) all(term$columns %in% colnames(component)),
    NA
  )
  at <- which((is_own | is_further) & has_effects)[1]
  if (is.na(at)) {
    stop("its effects have other names: not carried over")
  }
  components[[at]][term$columns, term$columns, drop = FALSE]
}

# `a:b` and `b:a` are one grouping.
same_group <- function(groups, group) {
  sorted <- \(x) {
    vapply(strsplit(x, ":"), \(p) paste(sort(p), collapse = ":"), "")
  }
  sorted(groups) == sorted(group)
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

# Standard errors ------------------------------------------------------------

# Where standard errors differ from a peer's: rlmm's beside those of dense algebra (linear models),
# or of the Hessian of the objective by differences (generalized ones).
check_errors <- function(model) {
  fit <- quietly(fit_ours(model, model$data(), arguments_of(model)$ours))
  found <- tried(if (isGLMM(fit)) difference_errors(fit) else dense_errors(fit))
  if (!is.numeric(found)) {
    return(NA_real_)
  }
  max(abs(found / own_errors(fit) - 1))
}

dense_errors <- function(fit) {
  x <- getME(fit, "X")
  weights <- weights(fit)
  root <- as.matrix(getME(fit, "Z") %*% getME(fit, "Lambda"))
  v <- tcrossprod(root) + diag(1 / weights, nrow(x))
  sigma(fit) * sqrt(diag(solve(crossprod(x, solve(v, x)))))
}

difference_errors <- function(fit) {
  objective <- as.function(fit)
  at <- fit$parameters
  # A zero variance is on the boundary.
  free <- which(at != 0)
  part <- \(values) objective(replace(at, free, values))
  # Steps of a fiftieth of a standard error: covariates have all scales.
  n_shape <- length(at) - length(fit$theta) - length(fixef(fit))
  units <- c(pmax(abs(fit$theta), 0.05), own_errors(fit), rep(0.1, n_shape))
  steps <- list(ndeps = 0.02 * units[free])
  hessian <- stats::optimHess(at[free], part, control = steps)
  errors <- sqrt(diag(solve(hessian / 2)))
  beta <- length(fit$theta) + seq_along(fixef(fit))
  errors[match(beta, free)]
}

run_errors <- function() {
  rows <- read_parts()
  ids <- rows$id[which(rows$std_error > 0.02)]
  models <- all_models()
  models <- models[vapply(models, `[[`, "", "id") %in% ids]
  checked <- data.frame(
    id = vapply(models, `[[`, "", "id"),
    checked = signif(vapply(models, check_errors, 0), 2)
  )
  utils::write.csv(checked, "bench/validation-errors.csv", row.names = FALSE)
}

read_parts <- function() {
  files <- Sys.glob("bench/validation-[0-9]*.csv")
  rows <- do.call(rbind, lapply(files, utils::read.csv))
  rows[order(rows$source, rows$id), ]
}

# Tables ----------------------------------------------------------------------

# The kinds of differences: a pattern of the notes, and why.
kinds <- list(
  c(
    "rlmm is .* above",
    "A point that is better by more than 1e-4 was found by a peer, or by another optimizer of rlmm."
  ),
  c(
    "rlmm refuses",
    "The model isn't one, or the data can't be used: a classed error says why."
  ),
  c("verdict", "The certificate of the fit says that it isn't an optimum."),
  c(
    "lme4 stops",
    "lme4's optimizers go without derivatives and stop where they make little progress."
  ),
  c(
    "glmmTMB stops",
    "glmmTMB takes logarithms of standard deviations: one of zero is never reached."
  ),
  c(
    "lme4 differs at",
    "lme4 2.1 ends its iteration for the dispersion early (see ?rglmm), or that for the modes."
  ),
  c(
    "glmmTMB differs at",
    "A diagonal covariance, whose estimates this script doesn't carry over: not a fault of glmmTMB."
  ),
  c(
    "reports no optimum",
    "The Hessian isn't positive definite: no log-likelihood is reported."
  ),
  c("lme4 fails", "lme4 ends in an error."),
  c("glmmTMB fails", "glmmTMB ends in an error, or doesn't have the model."),
  c(
    "estimates differ",
    "The objective is flat: several estimates are as good."
  ),
  c(
    "standard errors differ",
    paste(
      "Near zero variances a Hessian by differences fails; lme4 then leaves out the uncertainty",
      "of the variances. Those of rlmm were held to dense algebra, or to differences."
    )
  )
)

table_of_kinds <- function(rows) {
  counted <- lapply(kinds, \(kind) {
    of_kind <- rows[grepl(kind[1], rows$note), ]
    data.frame(
      difference = gsub(".*", "...", kind[1], fixed = TRUE),
      models = nrow(of_kind),
      why = kind[2],
      example = if (nrow(of_kind) > 0) example_of(of_kind, kind[1]) else ""
    )
  })
  do.call(rbind, counted)
}

example_of <- function(rows, pattern) {
  row <- rows[1, ]
  notes <- strsplit(row$note, "; ", fixed = TRUE)[[1]]
  paste0(row$id, ": ", grep(pattern, notes, value = TRUE)[1])
}

# Which standard errors are right where those of a peer differ by more than 2 %.
errors_note <- function(rows) {
  differ <- which(rows$std_error > 0.02)
  why <- unanswerable[rows$id[differ]]
  is_right <- rows$checked[differ] < 0.02
  why[is.na(why) & is_right %in% TRUE] <- "those of rlmm are right"
  why[is.na(why)] <- "which are right is unknown"
  notes <- sub("; standard errors differ at one optimum", "", rows$note[differ])
  notes <- sub("standard errors differ at one optimum(; )?", "", notes)
  told <- paste("standard errors differ:", why)
  rows$note[differ] <- ifelse(notes == "", told, paste0(notes, "; ", told))
  rows$note
}

# Models whose standard errors mean nothing, whichever program gives them.
unanswerable <- c(
  "lmerTest::carrots 2" = "the data are separated, none means anything",
  "gap.datasets::mao 2" = "two terms have the same groups, the Hessian is singular",
  "lme4::cake 2" = "the response is a function of the covariates, without an error"
)

# A row for each family: how often each program is more than 1e-4 above the best.
summary_table <- function(rows) {
  rows$best <- pmin(0, rows$lme4, rows$glmmTMB, rows$others, na.rm = TRUE)
  by_family <- split(rows, rows$family)
  out <- do.call(rbind, lapply(by_family, family_row))
  out[order(-out$models), ]
}

family_row <- function(rows) {
  above <- \(x) sum(x - rows$best > much, na.rm = TRUE)
  compared <- \(x) sum(!is.na(x))
  agree <- abs(rows$std_error) < 0.02 | rows$checked < 0.02
  data.frame(
    family = rows$family[1],
    models = nrow(rows),
    rlmm_above = above(0 * rows$objective),
    lme4 = compared(rows$lme4),
    lme4_above = above(rows$lme4),
    glmmTMB = compared(rows$glmmTMB),
    glmmTMB_above = above(rows$glmmTMB),
    others_above = above(rows$others),
    optimal = sum(rows$verdict == "optimal"),
    errors_right = sum(agree, na.rm = TRUE),
    errors_compared = sum(!is.na(agree))
  )
}

write_tables <- function() {
  rows <- read_parts()
  errors <- "bench/validation-errors.csv"
  rows$checked <- NA_real_
  if (file.exists(errors)) {
    known <- utils::read.csv(errors)
    rows$checked <- known$checked[match(rows$id, known$id)]
  }
  rows$note <- errors_note(rows)
  write_csv(rows, "bench/validation.csv")
  write_csv(summary_table(rows), "vignettes/validation-summary.csv")
  write_csv(table_of_kinds(rows), "vignettes/validation-kinds.csv")
}

write_csv <- function(table, file) {
  utils::write.csv(table, file, row.names = FALSE, na = "")
}

command <- commandArgs(trailingOnly = TRUE)
switch(
  command[1],
  run = run_part(as.integer(command[2]), as.integer(command[3])),
  errors = run_errors(),
  table = write_tables()
)
