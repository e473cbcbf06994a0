skip_if_not_installed("jsonlite")

# The file is read in a process that has seen nothing of the fit.
in_fresh_process <- function(lines) {
  script <- withr::local_tempfile(fileext = ".R")
  folders <- deparse(.libPaths(), width.cutoff = 500L)
  head <- paste0(".libPaths(", paste(folders, collapse = ""), ")")
  writeLines(c(head, "library(rlmm)", lines), script)
  rscript <- file.path(R.home("bin"), "Rscript")
  system2(rscript, c("--vanilla", script), stdout = TRUE, stderr = TRUE)
}

test_that("an optimum comes back in another process, to the last digit", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
  file <- withr::local_tempfile(fileext = ".json")
  result <- withr::local_tempfile(fileext = ".rds")
  expect_identical(withVisible(save_optimum(fit, file))$visible, FALSE)
  lines <- in_fresh_process(c(
    sprintf("file <- %s", deparse(file)),
    "formula <- Reaction ~ Days + (Days | Subject)",
    "fit <- restore_optimum(formula, file, sleepstudy)",
    "values <- list(fit$theta, fixef(fit), sigma(fit), logLik(fit))",
    "values <- c(values, list(vcov(fit), ranef(fit), opt_summary(fit)))",
    sprintf("saveRDS(values, %s)", deparse(result))
  ))
  expect_true(file.exists(result), info = paste(lines, collapse = "\n"))
  values <- readRDS(result)
  expect_identical(values[[1L]], fit$theta)
  expect_equal(values[[2L]], fixef(fit), tolerance = 1e-14)
  expect_equal(values[[3L]], sigma(fit), tolerance = 1e-14)
  expect_equal(values[[4L]], logLik(fit), tolerance = 1e-14)
  expect_equal(values[[5L]], vcov(fit), tolerance = 1e-12)
  expect_equal(values[[6L]], ranef(fit), tolerance = 1e-12)
  expect_identical(values[[7L]]$final, opt_summary(fit)$final)
  expect_identical(values[[7L]]$fitlog, unname(opt_summary(fit)$fitlog))
})

test_that("generalized fits come back, with an estimated shape too", {
  file <- withr::local_tempfile(fileext = ".json")
  formula <- TICKS ~ YEAR + (1 | LOCATION)
  fit <- rglmm(formula, grouseticks, family = nbinom1())
  save_optimum(fit, file)
  again <- restore_optimum(formula, file, grouseticks, family = nbinom1())
  expect_identical(again$parameters, fit$parameters)
  expect_equal(again, fit, tolerance = 1e-10)
  fit <- rglmm_nb(formula, grouseticks)
  save_optimum(fit, file)
  expect_equal(restore_optimum(fit, file), fit, tolerance = 1e-10)
  again <- restore_optimum(formula, file, grouseticks)
  expect_equal(AIC(again), AIC(fit), tolerance = 1e-12)
})

test_that("weights, held parameters and singular fits come back", {
  file <- withr::local_tempfile(fileext = ".json")
  formula <- Reaction ~ Days + (Days || Subject)
  w <- rep(1:2, 90)
  fit <- rlmm(formula, sleepstudy, weights = w)
  save_optimum(fit, file)
  again <- restore_optimum(formula, file, sleepstudy, weights = w)
  expect_equal(coef(summary(again)), coef(summary(fit)), tolerance = 1e-9)
  held <- rlmm_control(fixed = list(beta = c(Days = 10)))
  fit <- rlmm(formula, sleepstudy, control = held)
  save_optimum(fit, file)
  again <- restore_optimum(formula, file, sleepstudy, control = held)
  expect_equal(coef(summary(again)), coef(summary(fit)), tolerance = 1e-9)
  fit <- suppressMessages(rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2))
  save_optimum(fit, file)
  expect_equal(restore_optimum(fit, file), fit)
})

test_that("a fit that was stopped early gets the estimates of the file", {
  file <- withr::local_tempfile(fileext = ".json")
  formula <- Reaction ~ Days + (Days | Subject)
  save_optimum(rlmm(formula, sleepstudy), file)
  stopped <- suppressWarnings(rlmm(
    formula,
    sleepstudy,
    control = rlmm_control(optimizer = "LN_BOBYQA", max_eval = 3)
  ))
  fit <- restore_optimum(stopped, file)
  expect_equal(fit$theta, rlmm(formula, sleepstudy)$theta)
  expect_identical(certificate(fit)$verdict, "optimal")
})

test_that("names are written as JSON, and read by another reader", {
  data <- transform(
    sleepstudy,
    `a "b" \\c` = Days,
    check.names = FALSE
  )
  fit <- rlmm(Reaction ~ `a "b" \\c` + (1 | Subject), data)
  file <- withr::local_tempfile(fileext = ".json")
  save_optimum(fit, file)
  read <- jsonlite::fromJSON(file)
  expect_identical(read$fixed_names, names(fixef(fit)))
  expect_equal(read$beta, unname(fixef(fit)), tolerance = 1e-15)
})

test_that("other data, other models and other files are refused", {
  file <- withr::local_tempfile(fileext = ".json")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  save_optimum(fit, file)
  shown <- \(expr) cat(error_lines(expr), sep = "\n")
  squares <- rlmm(Reaction^2 ~ Days + (Days | Subject), sleepstudy)
  other <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  strata <- rlmm(
    distance ~ age + (1 | Subject),
    nlme::Orthodont,
    dispersion = ~Sex
  )
  expect_snapshot({
    shown(restore_optimum(squares, file))
    shown(restore_optimum(other, file))
    shown(restore_optimum(refitML(fit), file))
    shown(restore_optimum(fit, "no-such-file.json"))
    shown(save_optimum(fit, 3))
    shown(save_optimum(1, file))
    shown(save_optimum(strata, file))
    shown(save_optimum(fit, "no-such-folder/file.json"))
  })
})
