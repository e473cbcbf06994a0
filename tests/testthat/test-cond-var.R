test_that("condVar() has an array per term", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  variances <- condVar(fit)
  expect_named(variances, c("Subject", "Subject.1"))
  expect_identical(dim(variances$Subject.1), c(1L, 1L, 18L))
  expect_identical(dimnames(variances$Subject.1)[[1]], "Days")
  expect_equal(
    condVar(fit, scaled = FALSE)$Subject * sigma(fit)^2,
    variances$Subject
  )
})

test_that("it is s^2 Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda' by dense algebra", {
  fit <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    weights = 1 + Days %% 2
  )
  z <- as.matrix(getME(fit, "Z"))
  lambda <- as.matrix(getME(fit, "Lambda"))
  product <- crossprod(
    z %*% lambda,
    (1 + sleepstudy$Days %% 2) * (z %*% lambda)
  ) +
    diag(36)
  dense <- sigma(fit)^2 * lambda %*% solve(product, t(lambda))
  for (level in c(1, 18)) {
    at <- 2 * level - 1:0
    expect_equal(
      condVar(fit)$Subject[,, level],
      dense[at, at],
      ignore_attr = TRUE,
      tolerance = 1e-8
    )
  }
})

test_that("other objects have no conditional variances", {
  expect_error(condVar(1), class = "rlmm_error_no_method")
})
test_that("terms of one factor are joined, with their covariances", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  joint <- condVar(fit, joint = TRUE)
  expect_named(joint, "Subject")
  z <- as.matrix(getME(fit, "Z"))
  lambda <- as.matrix(getME(fit, "Lambda"))
  inner <- crossprod(z %*% lambda) + diag(36)
  dense <- sigma(fit)^2 * lambda %*% solve(inner, t(lambda))
  expect_equal(
    joint$Subject[,, 3],
    dense[c(3, 21), c(3, 21)],
    ignore_attr = TRUE,
    tolerance = 1e-8
  )
})

test_that("conditional variances make a table", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  variances <- condVar(fit)
  table <- as.data.frame(variances)
  expect_named(table, c("grpvar", "grp", "var1", "var2", "vcov", "sdcor"))
  expect_equal(nrow(table), 3 * 18)
  first <- table[table$grp == "308", ]
  one <- variances$Subject[,, "308"]
  expect_equal(first$var1, c("(Intercept)", "Days", "(Intercept)"))
  expect_equal(first$var2, c(NA, NA, "Days"))
  expect_equal(first$vcov, c(diag(one), one[1, 2]), ignore_attr = TRUE)
  expect_equal(
    first$sdcor,
    c(sqrt(diag(one)), cov2cor(one)[1, 2]),
    ignore_attr = TRUE
  )
  expect_equal(
    table$sdcor[is.na(table$var2)],
    unlist(lapply(1:2, \(j) sqrt(variances$Subject[j, j, ])), use.names = FALSE)
  )
})
