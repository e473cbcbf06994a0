# The README says that a script written for lme4 runs after its fitting functions are replaced: the
# examples and vignettes of an installed lme4 do, but for those of its internals.

test_that("lme4's own examples run with the names of the fitting functions replaced", {
  skip_on_cran()
  skip_if_not_installed("lme4", "2.1")
  script <- test_path("../../tools/lme4-examples.R")
  skip_if_not(file.exists(script), "needs the sources of the package")
  rscript <- file.path(R.home("bin"), "Rscript")
  output <- suppressWarnings(system2(
    rscript,
    shQuote(normalizePath(script)),
    stdout = TRUE,
    stderr = FALSE,
    env = paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))
  ))
  counts <- grep("expressions, [0-9]+ failed$", output, value = TRUE)
  expect_match(counts, "^5[0-9]{2} expressions, 0 failed$", info = output)
})
