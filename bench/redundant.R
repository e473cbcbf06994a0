# Random effects that the fixed ones contain: `Rscript bench/redundant.R [1000]`. Simulated models
# with a grouping factor that is a fixed effect already, or coarser than one, are fitted with the
# redundant term and without it. None may run away (evaluations), raise an alarm, or differ in its
# criterion by more than 1e-6.

suppressPackageStartupMessages(library(rlmm))

pick <- function(...) sample(c(...), 1L)

simulate_groups <- function() {
  n <- pick(30, 80, 200, 600)
  data <- data.frame(
    a = factor(sample.int(pick(3, 5, 9), n, TRUE)),
    b = factor(sample.int(pick(4, 7, 20), n, TRUE)),
    x = stats::rnorm(n)
  )
  # `c` is coarser than `b`.
  data$c <- factor(as.integer(data$b) %/% 3)
  data$w <- if (pick(TRUE, FALSE)) exp(stats::rnorm(n)) else 1
  effect <- \(group) stats::rnorm(nlevels(group), sd = pick(0, 0.3, 2))[group]
  slopes <- stats::rnorm(nlevels(data$a))[data$a]
  data$y <- effect(data$a) + effect(data$b) + slopes * data$x + stats::rnorm(n)
  data$count <- stats::rpois(n, exp(pmin(data$y / 3, 4)))
  data
}

# Formulas with a redundant term, and without it; by maximum likelihood too where that says so.
kinds <- list(
  already = list(~ a + (1 | a) + (1 | b), ~ a + (1 | b), ml = TRUE),
  coarser = list(~ b + (1 | c) + (1 | a), ~ b + (1 | a), ml = TRUE),
  nested = list(~ c + (1 | c / b), ~ c + (1 | c:b), ml = TRUE),
  slope = list(~ a * x + (x | a) + (1 | b), ~ a * x + (1 | b), ml = TRUE),
  partly = list(
    ~ a:x + (x || a) + (1 | b),
    ~ a:x + (1 | a) + (1 | b),
    ml = TRUE
  ),
  `partly, correlated` = list(
    ~ a + x + (x | a) + (1 | b),
    ~ a + x + (0 + x | a) + (1 | b),
    ml = FALSE
  ),
  structure = list(
    ~ a * x + cs(1 + x | a) + (1 | b),
    ~ a * x + (1 | b),
    ml = TRUE
  ),
  generalized = list(~ a + (1 | a) + (1 | b), ~ a + (1 | b), ml = NA)
)

fit_quietly <- function(formula, kind, data, reml) {
  told <- character()
  response <- if (is.na(kind$ml)) quote(count) else quote(y)
  formula <- as.call(list(quote(`~`), response, formula[[2L]]))
  call <- if (is.na(kind$ml)) {
    bquote(rglmm(.(formula), data, family = poisson))
  } else {
    bquote(rlmm(.(formula), data, weights = w, REML = .(reml)))
  }
  fit <- withCallingHandlers(
    eval(call),
    rlmm_warning = \(w) {
      told <<- c(told, class(w)[1L])
      tryInvokeRestart("muffleWarning")
    },
    rlmm_message = \(m) tryInvokeRestart("muffleMessage")
  )
  list(
    fit = fit,
    alarm = "rlmm_warning_convergence" %in% told,
    exact = "rlmm_warning_exact_fit" %in% told
  )
}

compare <- function(seed) {
  set.seed(seed)
  data <- simulate_groups()
  name <- pick(names(kinds))
  kind <- kinds[[name]]
  reml <- !isTRUE(kind$ml) || pick(TRUE, FALSE)
  full <- fit_quietly(kind[[1L]], kind, data, reml)
  reduced <- fit_quietly(kind[[2L]], kind, data, reml)
  data.frame(
    kind = name,
    excess = full$fit$optsum$fmin - reduced$fit$optsum$fmin,
    evaluations = full$fit$optsum$feval,
    alarm = full$alarm,
    exact = full$exact || reduced$exact,
    seed
  )
}

arguments <- as.integer(commandArgs(trailingOnly = TRUE))
count <- if (length(arguments) > 0L) arguments[1L] else 1000L
found <- do.call(rbind, lapply(seq_len(count), compare))
# Few rows may be reproduced exactly: the residual variance is a rounding error then.
cat(sum(found$exact), "of", count, "fit exactly and are left out\n")
found <- found[!found$exact, ]
summarize <- function(found) {
  data.frame(
    kind = found$kind[1L],
    models = nrow(found),
    `largest difference` = signif(max(abs(found$excess)), 2),
    `most evaluations` = max(found$evaluations),
    `false alarms` = sum(found$alarm),
    check.names = FALSE
  )
}
print(
  do.call(rbind, lapply(split(found, found$kind), summarize)),
  row.names = FALSE
)
off <- abs(found$excess) > 1e-6 | found$alarm | found$evaluations > 1000L
if (any(off)) {
  print(utils::head(found[off, ], 20L), row.names = FALSE)
}
