# Peak memory of one fit of InstEval beyond the data, from the kernel's high-water mark of this process (Linux).
#   Rscript bench/memory.R [rlmm | lme4]

package <- c(commandArgs(trailingOnly = TRUE), "rlmm")[1]
library(package, character.only = TRUE)
fit <- get(c(rlmm = "rlmm", lme4 = "lmer")[[package]])
data(InstEval, package = package)

status <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# A small fit first, so that code which is loaded on first use doesn't count as memory of the large one.
invisible(fit(y ~ 1 + (1 | d), InstEval[1:2000, ]))
invisible(gc())
cat("5", file = "/proc/self/clear_refs")
before <- status("VmRSS")
model <- fit(y ~ service * dept + (1 | s) + (1 | d), InstEval, REML = FALSE)
cat(sprintf("%s: %.0f MB beyond the %.0f MB before the fit\n", package, status("VmHWM") - before, before))
