test_that("model matrices are lme4's", {
  for_each_twin(
    function(ours, theirs, data, name) {
      for (type in c("fixed", "random", "randomListRaw")) {
        expect_equal(
          model.matrix(ours, type),
          model.matrix(theirs, type),
          ignore_attr = type != "random",
          info = paste(name, type)
        )
      }
      x <- model.matrix(ours)
      expect_equal(dimnames(x), dimnames(model.matrix(theirs)), info = name)
      expect_equal(
        attributes(x)[c("assign", "contrasts")],
        attributes(model.matrix(theirs))[c("assign", "contrasts")]
      )
      expect_named(
        model.matrix(ours, "randomListRaw"),
        names(model.matrix(theirs, "randomListRaw"))
      )
    },
    names = setdiff(twin_names, c("cake_dummy", "pixel", "glucose"))
  )
})

test_that("the fitted values are what the matrices make of the estimates", {
  for_each_twin(function(ours, theirs, data, name) {
    eta <- model.matrix(ours) %*%
      fixef(ours) +
      model.matrix(ours, "random") %*% getME(ours, "b")
    offset <- fit_offset(ours) %||% 0
    expect_equal(
      as.vector(eta) + offset,
      unname(ours$fitted),
      tolerance = 1e-8,
      info = name
    )
  })
})

test_that("aliased columns are left out", {
  fit <- twin("sleep_aliased")$ours
  expect_equal(colnames(model.matrix(fit)), names(fixef(fit)))
  expect_length(attr(model.matrix(fit), "assign"), 2)
})

test_that("kappa() is the condition number of the fixed effects' matrix", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  line <- lm(Reaction ~ Days, sleepstudy)
  expect_equal(kappa(fit), kappa(line))
  values <- svd(model.matrix(line))$d
  expect_equal(kappa(fit, exact = TRUE), values[1] / values[2])
})
