test_that("package sandwich takes the fits", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  # Formulas of package sandwich: meat = crossprod(estfun) / n, sandwich = bread meat bread / n.
  scores <- estfun.rlmm(fit)
  expect_equal(
    colSums(scores),
    c(`(Intercept)` = 0, Days = 0),
    tolerance = 1e-7
  )
  by_subject <- rowsum(scores, sleepstudy$Subject)
  bread <- bread.rlmm(fit) / 180
  expect_equal(
    bread %*% crossprod(by_subject) %*% bread,
    vcov(fit, type = "CR0"),
    tolerance = 1e-10
  )
  skip_if_not_installed("sandwich")
  sandwich <- getExportedValue("sandwich", "sandwich")
  expect_equal(sandwich(fit), vcov(fit, type = "HC0"), tolerance = 1e-10)
  by_row <- getExportedValue("sandwich", "vcovHC")
  expect_equal(by_row(fit, "HC0"), sandwich(fit), tolerance = 1e-10)
  expect_error(by_row(fit), class = "rlmm_error_not_available")
  clustered <- getExportedValue("sandwich", "vcovCL")(
    fit,
    cluster = sleepstudy$Subject
  )
  expect_equal(clustered, vcov(fit, type = "CR1"), tolerance = 1e-10)
})

test_that("what sandwich would answer with NaN, or an error of R's, is told", {
  skip_if_not_installed("sandwich")
  data <- transform(sleepstudy, id = as.character(Subject))
  fit <- rlmm(Reaction ~ Days + (Days | id), data)
  herds <- rglmm(incidence ~ period + (1 | herd), cbpp, family = poisson)
  of_sandwich <- function(name) getExportedValue("sandwich", name)
  vcovCL <- of_sandwich("vcovCL")
  expect_snapshot({
    writeLines(error_lines(vcovCL(fit, cluster = ~id)))
    writeLines(error_lines(vcovCL(fit, cluster = data$id, type = "HC3")))
    writeLines(error_lines(vcovCL(herds, cluster = ~herd)))
    writeLines(error_lines(of_sandwich("vcovHC")(fit)))
    writeLines(error_lines(of_sandwich("vcovBS")(fit)))
    writeLines(error_lines(of_sandwich("vcovJK")(fit)))
  })
  expect_equal(
    vcovCL(fit, cluster = data$id),
    vcov(fit, type = "CR1"),
    tolerance = 1e-10
  )
})
