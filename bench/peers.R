# Whole-call times of rlmm() beside lme4's lmer(), on the same data in one R process. Prints
#   markdown. Rscript bench/peers.R [slow] [registry] [glmm] [glmmTMB] By default the models of the
#   first table of bench/README.md; with "slow" also those that take lme4 half a minute and more;
#   with "registry" all of tests/testthat/helper-models.R instead; with "glmm" the generalized
#   models, rglmm() beside glmer(). "glmmTMB" adds a column.

suppressPackageStartupMessages({
  library(lme4)
  library(rlmm)
})
source("tests/testthat/helper-models.R")
source("tests/testthat/helper-registry-glmm.R")
source("bench/models.R")

# A call's value and its median time, over as many calls as fit in about a second.
timed <- function(call, most = 50) {
  gc()
  first <- elapsed(value <- call())
  again <- if (first < 10) max(1, min(most, floor(1 / first))) else 0
  times <- vapply(seq_len(again), function(i) elapsed(call()), 1)
  list(
    value = value,
    seconds = if (again < 3) min(first, times) else stats::median(times)
  )
}

# system.time() counts in milliseconds: too coarse for the small models.
elapsed <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(difftime(Sys.time(), start, units = "secs"))
}

quietly <- function(expr) suppressWarnings(suppressMessages(expr))

compare <- function(name, model, peers) {
  data <- glmm_frame(model)
  generalized <- !is.null(model$args$family)
  if (is.null(data)) {
    return(NULL)
  }
  calls <- list(
    rlmm = function() {
      quietly(lmm_fit(
        if (generalized) rlmm::rglmm else rlmm::rlmm,
        model,
        data = data
      ))
    },
    lme4 = function() {
      quietly(lmm_fit(
        if (generalized) lme4::glmer else lme4::lmer,
        model,
        model$lme4,
        data = data
      ))
    },
    glmmTMB = function() {
      quietly(lmm_fit(
        glmmTMB::glmmTMB,
        for_glmmtmb(model),
        model$lme4,
        data = data
      ))
    }
  )[peers]
  runs <- lapply(calls, timed)
  theirs <- runs$lme4$value
  row <- data.frame(
    model = name,
    n = nobs(theirs),
    q = lme4::getME(theirs, "q"),
    theta = length(lme4::getME(theirs, "theta"))
  )
  row[peers] <- lapply(runs, `[[`, "seconds")
  row$gap <- objective(runs$rlmm$value) - objective(theirs)
  message(sprintf("%s: %.4f s, %.4f s", name, row$rlmm, row$lme4))
  row
}

# glmmTMB() has another control and another default of REML.
for_glmmtmb <- function(model) {
  model$args$control <- NULL
  if (!is.null(model$args$family)) {
    return(model)
  }
  if (is.null(model$args$REML)) {
    model$args$REML <- TRUE
  }
  model
}

# The criterion that the model was fitted by.
objective <- function(fit) {
  if (isGLMM(fit)) {
    return(-2 * as.numeric(logLik(fit)))
  }
  if (inherits(fit, "merMod") && lme4::isREML(fit)) {
    lme4::REMLcrit(fit)
  } else {
    deviance(fit)
  }
}

in_units <- function(s) {
  ifelse(s < 0.1, sprintf("%.2f ms", 1000 * s), sprintf("%.2f s", s))
}

print_markdown <- function(rows, peers) {
  ratio <- sprintf("%.1f", rows$lme4 / rows$rlmm)
  cells <- cbind(
    rows$model,
    rows$n,
    rows$q,
    rows$theta,
    vapply(rows[peers], in_units, character(nrow(rows))),
    ratio,
    sprintf("%+.1e", rows$gap)
  )
  header <- c(
    "model",
    "n",
    "q",
    "theta",
    peers,
    "lme4 / rlmm",
    "objective - lme4's"
  )
  rule <- ifelse(seq_along(header) == 1, "---", "---:")
  writeLines(apply(rbind(header, rule, cells), 1, function(x) {
    paste("|", paste(x, collapse = " | "), "|")
  }))
}

machine <- function() {
  cpu <- grep("model name", readLines("/proc/cpuinfo"), value = TRUE)[1]
  sprintf(
    "%s; R %s.%s, lme4 %s, rlmm %s; %s",
    sub(".*: ", "", cpu),
    R.version$major,
    R.version$minor,
    packageVersion("lme4"),
    packageVersion("rlmm"),
    Sys.Date()
  )
}

args <- commandArgs(trailingOnly = TRUE)
peers <- c("rlmm", "lme4", if ("glmmTMB" %in% args) "glmmTMB")
models <- if ("registry" %in% args) {
  lmm_models
} else if ("glmm" %in% args) {
  bench_glmms(slow = "slow" %in% args)
} else {
  bench_models(slow = "slow" %in% args)
}
rows <- do.call(rbind, Map(compare, names(models), models, list(peers)))
cat(machine(), "\n\n", sep = "")
print_markdown(rows, peers)
cat(sprintf(
  "\nMedian ratio %.1f, smallest %.1f.\n",
  median(rows$lme4 / rows$rlmm),
  min(rows$lme4 / rows$rlmm)
))
