test_that("L_blocks factor A_blocks with Lambda, and hold RX, beta and pwrss", {
  fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  a <- getME(fit, "A_blocks")
  expect_named(
    a,
    c(
      "plate,plate",
      "sample,plate",
      "sample,sample",
      "Xy,plate",
      "Xy,sample",
      "Xy,Xy"
    )
  )
  expect_equal(as.matrix(a[["plate,plate"]]), diag(6, 24), ignore_attr = TRUE)
  l <- lapply(getME(fit, "L_blocks"), as.matrix)
  corner <- l[["Xy,Xy"]]
  expect_equal(corner[1, 1], getME(fit, "RX")[1, 1], tolerance = 1e-8)
  expect_equal(corner[2, 1] / corner[1, 1], fixef(fit)[[1]], tolerance = 1e-8)
  expect_equal(
    corner[2, 2]^2,
    getME(fit, "devcomp")$cmp[["pwrss"]],
    tolerance = 1e-8
  )
  lambda <- getME(fit, "theta")
  expect_values(
    tcrossprod(l[["plate,plate"]]),
    lambda[1]^2 * a[["plate,plate"]] + diag(24)
  )
})

test_that("L_blocks amalgamate terms that share a factor", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy,
    weights = 1 + Days %% 2,
    offset = Days
  )
  l <- lapply(getME(fit, "L_blocks"), as.matrix)
  expect_named(l, c("Subject,Subject", "Xy,Subject", "Xy,Xy"))
  expect_equal(
    t(l[["Xy,Xy"]])[1:2, 1:2],
    getME(fit, "RX"),
    tolerance = 1e-8,
    ignore_attr = TRUE
  )
  expect_equal(l[["Xy,Xy"]][3, 3]^2, fit$dev$pwrss, tolerance = 1e-8)
})
