# How large models can be: seconds of processor time and memory of whole calls, on simulated data,
# beside lme4, and GPBoost's iterative method, where these can.
#
#   Rscript bench/scale.R           # all rows
#   Rscript bench/scale.R 1e5 ML-1M # some of them
#   Rscript bench/scale.R --threads ML-1M "logistic 5e5" # elapsed seconds on one and two threads
#
# Each row runs in a process of its own, whose peak of memory is told (Linux). GPBoost is that of
# the Python which RLMM_PYTHON names (default: python3), if it has one (`pip install gpboost`).

row <- function(n, g, h, ..., peers = character()) {
  list(n = n, g = g, h = h, ..., peers = peers)
}

rows <- list(
  `1e5` = row(1e5, 1e4, 1e3, peers = c("lme4", "GPBoost")),
  `ML-1M` = row(1e6, 6040, 3706, peers = "GPBoost"),
  `1e6` = row(1e6, 1e5, 2e4, peers = "GPBoost"),
  `5e6` = row(5e6, 5e5, 1e5),
  `5e6, slopes` = row(5e6, 5e5, 1e5, slopes = TRUE),
  `logistic 5e5` = row(5e5, 2e4, 2e3, logistic = TRUE, peers = "GPBoost"),
  `logistic 5e6` = row(5e6, 2e5, 2e4, logistic = TRUE),
  `fixed 2e3` = row(2e5, 2e4, 2e3, fixed = TRUE),
  `fixed 5e4` = row(1e6, 2e5, 5e4, fixed = TRUE),
  `fixed 5e4, 1e3` = row(1e6, 1e3, 5e4, fixed = TRUE)
)

# Two crossed factors, every level of which occurs.
simulated <- function(row) {
  set.seed(1)
  levels <- \(q) c(seq_len(q), sample.int(q, row$n - q, TRUE))
  d <- data.frame(
    x = rnorm(row$n),
    g = levels(row$g),
    h = sample(levels(row$h))
  )
  eta <- 1 + d$x + 0.5 * rnorm(row$g)[d$g] + 0.4 * rnorm(row$h)[d$h]
  if (isTRUE(row$slopes)) {
    eta <- eta + d$x * (0.3 * rnorm(row$g)[d$g] + 0.2 * rnorm(row$h)[d$h])
  }
  d$y <- if (isTRUE(row$logistic)) {
    rbinom(row$n, 1, plogis(eta - 1))
  } else {
    eta + rnorm(row$n)
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

fit_by <- list(
  rlmm = \(row, data, ...) {
    if (isTRUE(row$logistic)) {
      rlmm::rglmm(model(row), data, family = binomial, ...)
    } else {
      rlmm::rlmm(model(row), data, REML = isTRUE(row$fixed), ...)
    }
  },
  lme4 = \(row, data) lme4::lmer(model(row), data, REML = FALSE)
)

run <- function(name, package) {
  row <- rows[[name]]
  data <- simulated(row)
  before <- peak_gib()
  if (package == "GPBoost") {
    return(run_gpboost(name, row, data))
  }
  time <- system.time(fit <- fit_by[[package]](row, data))
  log_lik <- stats::logLik(fit)
  error <- 2 * (attr(log_lik, "se") %||% 0)
  seconds <- time[["user.self"]] + time[["sys.self"]]
  label <- if (package == "rlmm") paste("rlmm,", fit$engine) else package
  tell(name, label, seconds, peak_gib(), -2 * as.numeric(log_lik))
  cat(sprintf(" (s.e. %s, data: %.2f GiB)", format(error, digits = 2), before))
  noise <- if (package == "rlmm") rlmm::certificate(fit)$noise
  if (!is.null(noise)) {
    cat(sprintf(", excess %.1e, %d probes", noise$excess, noise$probes))
  }
  cat("\n")
}

# The shorter of two calls on one thread and on two, which take turns.
run_threads <- function(name) {
  row <- rows[[name]]
  data <- simulated(row)
  seconds <- matrix(NA, 2L, 2L)
  fits <- list()
  for (turn in 1:2) {
    for (n in 1:2) {
      control <- rlmm::rlmm_control(threads = n)
      time <- system.time(fit <- fit_by$rlmm(row, data, control = control))
      seconds[n, turn] <- time[["elapsed"]]
      fits[[n]] <- fit
    }
  }
  least <- apply(seconds, 1L, min)
  is_same <- identical(stats::logLik(fits[[1L]]), stats::logLik(fits[[2L]]))
  words <- if (is_same) "the same log-likelihood" else "ANOTHER LOG-LIKELIHOOD"
  ratio <- least[1L] / least[2L]
  format <- "%-14s %7.2f s %7.2f s %5.2fx, %s\n"
  cat(sprintf(format, name, least[1L], least[2L], ratio, words))
}

run_gpboost <- function(name, row, data) {
  folder <- tempfile()
  dir.create(folder)
  for (column in names(data)) {
    as_number <- if (column %in% c("g", "h")) as.integer else as.double
    file <- file.path(folder, paste0(column, ".bin"))
    writeBin(as_number(data[[column]]), file)
  }
  family <- if (isTRUE(row$logistic)) "binomial" else "gaussian"
  script <- file.path(dirname(this_script()), "scale-gpboost.py")
  printed <- ask_python(c(script, folder, family), stdout = TRUE)
  found <- as.numeric(strsplit(utils::tail(printed, 1), " ")[[1]])
  tell(name, "GPBoost", found[1], found[2], found[3])
  cat("\n")
}

# Python must not find its own library in the folders in which R looks for R's.
ask_python <- function(arguments, stdout) {
  python <- Sys.getenv("RLMM_PYTHON", "python3")
  system2(python, arguments, stdout, stderr = FALSE, env = "LD_LIBRARY_PATH=")
}

tell <- function(name, label, seconds, peak, deviance) {
  format <- "%-14s %-16s %7.1f s %6.2f GiB %16.4f"
  cat(sprintf(format, name, label, seconds, peak, deviance))
}

this_script <- function() {
  sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
}

can_run <- function(package) {
  if (package == "GPBoost") {
    command <- c("-c", shQuote("import gpboost"))
    return(ask_python(command, stdout = FALSE) == 0)
  }
  requireNamespace(package, quietly = TRUE)
}

`%||%` <- function(x, y) if (is.null(x)) y else x

arguments <- commandArgs(TRUE)
if (identical(arguments[1L], "--one")) {
  run(arguments[2L], arguments[3L])
} else if (identical(arguments[1L], "--threads")) {
  for (name in arguments[-1L]) {
    run_threads(name)
  }
} else {
  wanted <- if (length(arguments) > 0L) arguments else names(rows)
  one <- function(name, package) {
    call <- c(shQuote(this_script()), "--one", shQuote(name), package)
    system2(file.path(R.home("bin"), "Rscript"), call)
  }
  for (name in wanted) {
    for (package in c("rlmm", Filter(can_run, rows[[name]]$peers))) {
      one(name, package)
    }
  }
}
