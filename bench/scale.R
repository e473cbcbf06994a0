# How large models can be, and fixed factors in them: seconds of one processor and memory of whole calls, on simulated data,
# beside lme4 where that can.
#
#   Rscript bench/scale.R           # all rows
#   Rscript bench/scale.R 1e5 ML-1M # some of them
#
# Each row runs in a process of its own, whose peak of memory is told (Linux).

rows <- list(
  `1e5` = list(n = 1e5, g = 1e4, h = 1e3, peers = TRUE),
  `ML-1M` = list(n = 1e6, g = 6040, h = 3706, peers = FALSE),
  `1e6` = list(n = 1e6, g = 1e5, h = 2e4, peers = FALSE),
  `5e6` = list(n = 5e6, g = 5e5, h = 1e5, peers = FALSE),
  `5e6, slopes` = list(n = 5e6, g = 5e5, h = 1e5, slopes = TRUE, peers = FALSE),
  `fixed 2e3` = list(n = 2e5, g = 2e4, h = 2e3, fixed = TRUE, peers = FALSE),
  `fixed 5e4` = list(n = 1e6, g = 2e5, h = 5e4, fixed = TRUE, peers = FALSE),
  `fixed 5e4, 1e3` = list(
    n = 1e6,
    g = 1e3,
    h = 5e4,
    fixed = TRUE,
    peers = FALSE
  )
)

# Two crossed factors, every level of which occurs.
simulated <- function(n, g, h, slopes = FALSE, ...) {
  set.seed(1)
  levels <- \(q) c(seq_len(q), sample.int(q, n - q, TRUE))
  d <- data.frame(x = rnorm(n), g = levels(g), h = sample(levels(h)))
  d$y <- 1 + d$x + 0.5 * rnorm(g)[d$g] + 0.4 * rnorm(h)[d$h] + rnorm(n)
  if (slopes) {
    d$y <- d$y + d$x * (0.3 * rnorm(g)[d$g] + 0.2 * rnorm(h)[d$h])
  }
  d
}

model <- function(row) {
  if (isTRUE(row$fixed)) {
    y ~ x + factor(h) + (1 | g)
  } else if (isTRUE(row$slopes)) {
    y ~ x + (x | g) + (x | h)
  } else {
    y ~ x + (1 | g) + (1 | h)
  }
}

peak_gib <- function() {
  status <- "/proc/self/status"
  if (!file.exists(status)) {
    return(NA)
  }
  line <- grep("VmHWM", readLines(status), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 2^20
}

run <- function(name, engine) {
  row <- rows[[name]]
  data <- do.call(simulated, row)
  before <- peak_gib()
  fit_by <- if (engine == "lme4") {
    \() lme4::lmer(model(row), data, REML = FALSE)
  } else {
    \() rlmm::rlmm(model(row), data, REML = isTRUE(row$fixed))
  }
  time <- system.time(fit <- fit_by())
  log_lik <- stats::logLik(fit)
  noise <- if (engine != "lme4") rlmm::certificate(fit)$noise
  cat(sprintf(
    "%-12s %-18s %7.1f s %6.2f GiB (data: %.2f) %16.4f (s.e. %s)%s\n",
    name,
    if (engine == "lme4") "lme4" else paste("rlmm,", fit$engine),
    time[["user.self"]] + time[["sys.self"]],
    peak_gib(),
    before,
    -2 * as.numeric(log_lik),
    format(2 * (attr(log_lik, "se") %||% 0), digits = 2),
    if (is.null(noise)) {
      ""
    } else {
      sprintf(", excess %.1e, %d probes", noise$excess, noise$probes)
    }
  ))
}

`%||%` <- function(x, y) if (is.null(x)) y else x

arguments <- commandArgs(TRUE)
if (identical(arguments[1L], "--one")) {
  run(arguments[2L], arguments[3L])
} else {
  wanted <- if (length(arguments) > 0L) arguments else names(rows)
  script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
  one <- function(name, engine) {
    call <- c(shQuote(script), "--one", shQuote(name), engine)
    system2(file.path(R.home("bin"), "Rscript"), call)
  }
  for (name in wanted) {
    one(name, "rlmm")
    if (rows[[name]]$peers && requireNamespace("lme4", quietly = TRUE)) {
      one(name, "lme4")
    }
  }
}
