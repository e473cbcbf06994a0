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
source("bench/validation-programs.R")
source("bench/validation-tables.R")

quietly <- function(expr) suppressWarnings(suppressMessages(expr))

# An error is a result.
tried <- function(expr) {
  tryCatch(quietly(expr), error = \(cnd) conditionMessage(cnd))
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

command <- commandArgs(trailingOnly = TRUE)
switch(
  command[1],
  run = run_part(as.integer(command[2]), as.integer(command[3])),
  errors = run_errors(),
  table = write_tables()
)
