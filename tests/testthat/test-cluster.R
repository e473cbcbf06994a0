fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)

test_that("clusters are given in several ways", {
  expected <- vcov(fit, type = "CR1")
  for (cluster in list(
    ~Subject,
    "Subject",
    sleepstudy$Subject,
    as.integer(sleepstudy$Subject),
    list(g = sleepstudy$Subject)
  )) {
    expect_equal(vcov(fit, type = "CR1", cluster = cluster), expected)
  }
  expect_equal(
    vcov(fit, type = "CR1", cluster = ~ Subject + Days),
    vcov(fit, type = "CR1", cluster = sleepstudy[c("Subject", "Days")])
  )
  expect_named(read_clusters(fit, ~ Subject + Days), c("Subject", "Days"))
})

test_that("variables of the data will do, whatever rows were left out", {
  sleepstudy$half <- rep(1:4, each = 45)
  sleepstudy$Reaction[c(3, 70)] <- NA
  some <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy, na.action = na.omit)
  kept <- vcov(some, type = "CR1", cluster = sleepstudy$half[-c(3, 70)])
  expect_equal(vcov(some, type = "CR1", cluster = ~half), kept)
  expect_equal(vcov(some, type = "CR1", cluster = sleepstudy$half), kept)
})

test_that("by default they are the factor that all others are nested in", {
  nested <- rlmm(strength ~ 1 + (1 | batch / cask), Pastes)
  expect_named(read_clusters(nested), "batch")
  crossed <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  expect_setequal(names(read_clusters(crossed)), c("plate", "sample"))
})

test_that("other clusters are refused", {
  expect_snapshot({
    writeLines(error_lines(read_clusters(fit, 1:5)))
    writeLines(error_lines(read_clusters(fit, ~Subjct)))
    writeLines(error_lines(read_clusters(fit, "Subjct")))
    writeLines(error_lines(read_clusters(fit, rep(1, 180))))
    writeLines(error_lines(read_clusters(fit, c(NA, rep(1, 179)))))
    writeLines(error_lines(read_clusters(fit, Reaction ~ Subject)))
    writeLines(error_lines(read_clusters(fit, ~1)))
    writeLines(error_lines(read_clusters(fit, mean)))
  })
})
