# Peak memory of one fit beyond its data, from the kernel's high-water mark of this process (Linux).
#   Rscript bench/memory.R [rlmm | lme4] [InstEval | slopes]

args <- commandArgs(trailingOnly = TRUE)
package <- if ("lme4" %in% args) "lme4" else "rlmm"
model <- if ("slopes" %in% args) "slopes" else "InstEval"

# Simulated by another process: what R has freed would be used again, and not be counted.
simulated_elsewhere <- function() {
  file <- tempfile()
  on.exit(unlink(file))
  code <- paste0(
    "source('tests/testthat/helper-models.R'); source('bench/models.R'); ",
    "saveRDS(simulate_slopes(), '",
    file,
    "', compress = FALSE)"
  )
  system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)))
  readRDS(file)
}

library(package, character.only = TRUE)
fit <- get(c(rlmm = "rlmm", lme4 = "lmer")[[package]])
if (model == "slopes") {
  data <- simulated_elsewhere()
  call <- function() fit(y ~ x1 + x2 + (1 + x1 | g), data)
  small <- function() {
    fit(
      y ~ x1 + x2 + (1 + x1 | g),
      droplevels(data[as.integer(data$g) <= 20, ])
    )
  }
} else {
  data(InstEval, package = package)
  data <- InstEval
  call <- function() {
    fit(y ~ service * dept + (1 | s) + (1 | d), data, REML = FALSE)
  }
  small <- function() fit(y ~ 1 + (1 | d), data[1:2000, ])
}

status <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# The small fit first, so that code which is loaded on first use doesn't count as memory of the
# large one.
invisible(suppressMessages(small()))
invisible(gc())
cat("5", file = "/proc/self/clear_refs")
before <- status("VmRSS")
seconds <- system.time(result <- call())[["elapsed"]]
cat(sprintf(
  "%s, %s: %.0f MB beyond the %.0f MB before the fit, of which the data are %.0f MB; %.2f s\n",
  model,
  package,
  status("VmHWM") - before,
  before,
  as.numeric(object.size(data)) / 2^20,
  seconds
))
