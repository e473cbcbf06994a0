# Is the default optimizer ever beaten, does a fit ever say something that isn't so, and is the
# certificate right? Fits of simulated data whose true variances are positive, partly zero, or
# nearly all zero, by every optimizer. Rscript bench/simulated.R [number of fits, 1000]
#
# | column | counts |
# |---|---|
# | above best | fits of the default more than 1e-6 above the best of all optimizers |
# | warnings | fits of the default with a warning |
# | messages | fits of the default whose message on singularity is false, or missing |
# | singular | fits with a covariance of less than full rank |
# | verdicts | fits of any optimizer, each judged by its certificate |
# | false alarms | of these: not called an optimum, but within 1e-8 of the best |
# | missed | called an optimum, but 1e-6 above the best: a search without derivatives goes lower |
#
# A covariance is singular if making it so costs nothing, and more variance in the direction that
# lacks it doesn't help: both by values of the objective, not by derivatives.

suppressPackageStartupMessages(library(rlmm))
n_fits <- as.integer(c(commandArgs(trailingOnly = TRUE), "1000")[1])

designs <- list(
  intercepts = list(
    data = \() data.frame(g = gl(8, 5), x = rnorm(40)),
    formula = y ~ x + (1 | g),
    terms = list(c("1", "g"))
  ),
  slopes = list(
    data = \() data.frame(g = gl(15, 6), x = rnorm(90), z = rnorm(90)),
    formula = y ~ x + (1 + x + z | g),
    terms = list(c("1", "x", "z", "g"))
  ),
  nested = list(
    data = \() data.frame(a = gl(6, 20), b = gl(24, 5), x = rnorm(120)),
    formula = y ~ x + (1 + x | a) + (1 | b),
    terms = list(c("1", "x", "a"), c("1", "b"))
  ),
  crossed = list(
    data = \() {
      transform(
        expand.grid(s = factor(1:20), i = factor(1:10)),
        x = rnorm(200),
        z = rnorm(200)
      )
    },
    formula = y ~ x + z + (1 + x + z | s) + (1 + x | i),
    terms = list(c("1", "x", "z", "s"), c("1", "x", "i"))
  )
)

# Standard deviations of the effects, in units of the residuals'.
truths <- list(
  regular = \(k) runif(k, 0.5, 1.5),
  `partly zero` = \(k) runif(k, 0.3, 1) * (seq_len(k) %% 2 == 1),
  `nearly all zero` = \(k) runif(k, 0, 0.05)
)

simulated <- function(design, truth) {
  data <- design$data()
  data$y <- rnorm(nrow(data))
  for (term in design$terms) {
    columns <- term[-length(term)]
    group <- data[[term[length(term)]]]
    mixing <- qr.Q(qr(matrix(rnorm(length(columns)^2), length(columns))))
    effects <- matrix(
      rnorm(nlevels(group) * length(columns)),
      ncol = length(columns)
    ) %*%
      mixing
    effects <- effects %*% diag(truth(length(columns)), length(columns))
    z <- vapply(
      columns,
      \(column) if (column == "1") rep(1, nrow(data)) else data[[column]],
      numeric(nrow(data))
    )
    data$y <- data$y + rowSums(z * effects[group, , drop = FALSE])
  }
  data
}

said <- function(expr) {
  found <- character()
  note <- \(kind, restart) {
    \(cnd) {
      found <<- c(found, kind)
      invokeRestart(restart)
    }
  }
  value <- withCallingHandlers(
    expr,
    warning = note("warning", "muffleWarning"),
    message = note("message", "muffleMessage")
  )
  list(value = value, said = found)
}

# Theta with the covariance of one term replaced.
with_covariance <- function(fit, entry, covariance) {
  k <- length(entry$columns)
  parts <- eigen(covariance, symmetric = TRUE)
  root <- t(qr.R(qr(sqrt(pmax(parts$values, 0)) * t(parts$vectors))))
  root <- root %*% diag(ifelse(diag(root) < 0, -1, 1), k)
  replace(fit$theta, entry$theta, root[lower.tri(root, diag = TRUE)])
}

# Is a term as regular, or as singular, as is said?
term_is_right <- function(fit, entry, says_singular, objective) {
  template <- matrix(0, length(entry$columns), length(entry$columns))
  template[lower.tri(template, diag = TRUE)] <- fit$theta[entry$theta]
  covariance <- tcrossprod(template)
  parts <- eigen(covariance, symmetric = TRUE)
  lowest <- parts$vectors[, nrow(covariance)]
  here <- fit$dev$objective
  at <- \(change) {
    objective(with_covariance(
      fit,
      entry,
      covariance + change * tcrossprod(lowest)
    )) -
      here
  }
  if (says_singular) {
    all(vapply(10^(-5:-1), at, 0) > -1e-6)
  } else {
    at(-parts$values[nrow(covariance)]) > 0
  }
}

# The least that a search without derivatives finds from near theta.
searched <- function(objective, theta) {
  starts <- list(theta, theta + 0.02, theta * 0.98)
  min(vapply(
    starts,
    \(start) {
      stats::optim(
        start,
        objective,
        control = list(maxit = 5000, reltol = 1e-14)
      )$value
    },
    0
  ))
}

study_one <- function(design, truth) {
  data <- simulated(design, truth)
  run <- said(rlmm(design$formula, data, REML = runif(1) < 0.5))
  fit <- run$value
  singular <- is_singular(fit)$singular
  objective <- as.function(fit)
  right <- all(mapply(
    \(entry, says) term_is_right(fit, entry, says, objective),
    fit$random,
    singular
  ))
  others <- suppressWarnings(suppressMessages(allFit(fit)))
  table <- as.data.frame(others)
  table <- table[!is.na(table$objective), ]
  best <- min(table$objective, fit$dev$objective)
  above <- table$objective - best
  optimal <- table$verdict == "optimal"
  suspects <- table$optimizer[optimal & above > 1e-6]
  missed <- vapply(
    suspects,
    \(name) {
      other <- others[[name]]
      searched(objective, other$theta) < other$dev$objective - 1e-6
    },
    NA
  )
  data.frame(
    fits = 1,
    `above best` = fit$dev$objective > best + 1e-6,
    warnings = "warning" %in% run$said,
    messages = !right || ("message" %in% run$said) != any(singular),
    singular = any(singular),
    `not optimal` = fit$optsum$certificate$verdict != "optimal",
    verdicts = nrow(table),
    `false alarms` = sum(!optimal & above < 1e-8),
    missed = sum(missed),
    `others fail` = sum(above > 1e-6),
    `others local` = sum(!missed),
    excess = fit$dev$objective - best,
    check.names = FALSE
  )
}

cells <- expand.grid(
  truth = names(truths),
  design = names(designs),
  stringsAsFactors = FALSE
)
results <- lapply(seq_len(n_fits), \(i) {
  set.seed(i)
  cell <- cells[(i - 1) %% nrow(cells) + 1, ]
  row <- tryCatch(
    study_one(designs[[cell$design]], truths[[cell$truth]]),
    error = \(e) stop("fit ", i, ": ", conditionMessage(e))
  )
  bad <- row$`above best` ||
    row$warnings ||
    row$messages ||
    row$`false alarms` > 0 ||
    row$missed > 0 ||
    row$`not optimal`
  if (bad) {
    cat(
      "fit",
      i,
      cell$design,
      cell$truth,
      paste(
        names(row)[-1],
        format(unlist(row[-1]), digits = 3),
        collapse = ", "
      ),
      "\n"
    )
  }
  cbind(cell, row)
})
results <- do.call(rbind, results)
columns <- c(
  "fits",
  "above best",
  "warnings",
  "messages",
  "not optimal",
  "singular",
  "verdicts",
  "others fail",
  "others local",
  "false alarms",
  "missed"
)
counts <- stats::aggregate(results[columns], results[c("design", "truth")], sum)
print(counts, row.names = FALSE)
cat(
  "Worst excess of the default over the best:",
  format(max(results$excess), digits = 2),
  "\n"
)
