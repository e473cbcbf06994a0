# Is the standard error of the iterative engine's log-likelihood honest? Random designs, small
# enough for the exact engine, which computes the log-likelihood at the iterative engine's
# covariances: the difference over its standard error. And by how much these covariances miss the
# optimum.
#
#   Rscript bench/iterative.R            # 200 designs
#   Rscript bench/iterative.R 50 1000    # 50 of them, from seed 1001 on
#
# One line per design, then the table of bench/README.md.

library(rlmm)

# Two or three crossed factors, or one nested within crossed ones, with or without slopes.
shapes <- list(
  `(1 | g) + (1 | h)` = y ~ x + (1 | g) + (1 | h),
  `(x | g) + (1 | h)` = y ~ x + (x | g) + (1 | h),
  `(x | g) + (x | h)` = y ~ x + (x | g) + (x | h),
  `(1 | g) + (1 | h) + (1 | k)` = y ~ x + (1 | g) + (1 | h) + (1 | k),
  `(1 | g) + (1 | h) + (1 | part)` = y ~ x + (1 | g) + (1 | h) + (1 | part)
)

between <- function(low, high) exp(runif(1, log(low), log(high)))

levels_of <- function(n, q) {
  shares <- rexp(q)^runif(1, 0, 1.5)
  sample(c(seq_len(q), sample.int(q, n - q, TRUE, shares)))
}

draw_design <- function(seed) {
  set.seed(seed)
  shape <- sample(names(shapes), 1)
  n <- round(between(2000, 30000))
  g <- levels_of(n, round(between(100, n / 8)))
  h <- levels_of(n, round(between(60, n / 20)))
  d <- data.frame(x = rnorm(n), g, h)
  d$k <- levels_of(n, round(between(40, n / 30)))
  d$part <- (d$h + 4L) %/% 5L
  sd <- replicate(6, if (runif(1) < 0.1) 0 else between(0.1, 2))
  effects <- \(level, sd) sd * rnorm(max(level))[level]
  eta <- 1 + d$x + effects(g, sd[1]) + effects(h, sd[2])
  eta <- eta + d$x * (effects(g, sd[3]) + effects(h, sd[4])) / 2
  eta <- eta + effects(d$k, sd[5]) + effects(d$part, sd[6])
  is_logistic <- runif(1) < 0.25
  d$y <- if (is_logistic) {
    rbinom(n, 1, plogis(eta / 2 - 0.5))
  } else {
    eta + rnorm(n)
  }
  reml <- !is_logistic && runif(1) < 0.5
  list(shape = shape, data = d, is_logistic = is_logistic, reml = reml)
}

fit_by <- function(engine, design, theta = NULL) {
  control <- rlmm_control(engine = engine, fixed = list(theta = theta))
  formula <- shapes[[design$shape]]
  if (design$is_logistic) {
    rglmm(formula, design$data, family = binomial, control = control)
  } else {
    rlmm(formula, design$data, REML = design$reml, control = control)
  }
}

# The largest difference of the fixed effects in standard errors.
shift_of <- function(fit, exact) {
  se <- sqrt(diag(as.matrix(vcov(exact))))
  max(abs(fixef(fit) - fixef(exact)) / se)
}

# By the iterative engine; by the exact one, and once more with the iterative one's covariances.
fits_of <- function(design) {
  iterative <- fit_by("iterative", design)
  theta <- getME(iterative, "theta")
  list(
    iterative = iterative,
    exact = fit_by("exact", design),
    there = fit_by("exact", design, theta)
  )
}

# What one design comes to; NULL where a fit is refused.
compare <- function(seed) {
  design <- draw_design(seed)
  quiet <- \(x) suppressWarnings(suppressMessages(try(x, silent = TRUE)))
  fits <- quiet(fits_of(design))
  if (inherits(fits, "try-error")) {
    cat(seed, design$shape, conditionMessage(attr(fits, "condition")), "\n")
    return(NULL)
  }
  log_liks <- vapply(fits, \(fit) as.numeric(logLik(fit)), 0)
  certificate <- certificate(fits$iterative)
  found <- data.frame(
    seed,
    kind = if (design$is_logistic) "logistic" else "linear",
    terms = design$shape,
    n = nrow(design$data),
    difference = log_liks[["iterative"]] - log_liks[["there"]],
    se = attr(logLik(fits$iterative), "se"),
    loss = 2 * (log_liks[["exact"]] - log_liks[["there"]]),
    excess = certificate$noise$excess,
    probes = certificate$noise$probes,
    shift = shift_of(fits$iterative, fits$exact),
    verdict = certificate$verdict
  )
  cat(vapply(found, format, "", digits = 4), sep = "\t")
  cat("\n")
  found
}

# Standard errors below the rounding errors of solves say nothing.
resolution <- 1e-6

table_of <- function(found) {
  z <- abs(found$difference) / pmax(found$se, resolution)
  share <- \(limit) sprintf("%.1f %%", 100 * mean(z < limit))
  data.frame(
    designs = nrow(found),
    `|z| < 1` = share(1),
    `|z| < 2` = share(2),
    `|z| < 3` = share(3),
    `rms z` = sprintf("%.2f", sqrt(mean(z^2))),
    `largest s.e.` = sprintf("%.1e", max(found$se)),
    `largest excess` = sprintf("%.1e", max(found$loss)),
    `largest shift` = sprintf("%.1e", max(found$shift)),
    optimal = sum(found$verdict == "optimal"),
    check.names = FALSE
  )
}

arguments <- as.numeric(commandArgs(TRUE))
count <- if (length(arguments) > 0) arguments[1] else 200
first <- if (length(arguments) > 1) arguments[2] else 0
found <- do.call(rbind, lapply(first + seq_len(count), compare))
tables <- lapply(split(found, found$kind), table_of)
all <- rbind(do.call(rbind, tables), all = table_of(found))
print(knitr::kable(all))
