# lme4 2.1 answers wrongly or by position for terms that aren't unstructured, or that share a
# factor.
differ_in_lme4 <- c(
  "L",
  "RZX",
  "devfun",
  "devcomp",
  "X",
  "mmList",
  "q_i",
  "flist"
)

expect_same_part <- function(ours, theirs, name) {
  if (is.list(theirs)) {
    expect_identical(
      names(ours),
      names(theirs),
      label = paste("names of", name)
    )
    for (i in seq_along(theirs)) {
      expect_same_part(ours[[i]], theirs[[i]], paste(name, i))
    }
  } else if (is.character(theirs)) {
    expect_identical(ours, theirs, label = name)
  } else {
    expect_values(ours, theirs, tolerance = 1e-5, label = name)
    if (!name %in% c("p_i", "m_i")) {
      expect_identical(
        names(ours),
        names(theirs),
        label = paste("names of", name)
      )
    }
    if (methods::is(theirs, "Matrix")) {
      expect_identical(
        class(ours),
        class(theirs),
        label = paste("class of", name)
      )
    }
  }
}

test_that("every name of lme4's getME() gives lme4's values", {
  for_each_pair(function(fit, lme4) {
    names <- eval(
      formals(getS3method("getME", "merMod", envir = asNamespace("lme4")))$name
    )
    expect_identical(setdiff(names, names(fit_parts)), character())
    # In a singular fit lme4 divides by zero above the diagonal of ST, too.
    if (isSingular(fit)) {
      names <- setdiff(names, "ST")
    }
    for (name in setdiff(names, differ_in_lme4)) {
      expect_same_part(getME(fit, name), lme4::getME(lme4, name), name)
    }
  })
})

test_that("X, mmList, flist and devcomp are lme4's", {
  for_each_pair(function(fit, lme4) {
    x <- lme4::getME(lme4, "X")
    expect_equal(getME(fit, "X"), x, ignore_attr = TRUE)
    expect_identical(dimnames(getME(fit, "X")), dimnames(x))
    expect_equal(attr(getME(fit, "X"), "assign"), attr(x, "assign"))
    ours <- getME(fit, "mmList")
    theirs <- lme4::getME(lme4, "mmList")
    for (i in seq_along(theirs)) {
      same <- which(vapply(
        theirs,
        \(m) identical(colnames(m), colnames(ours[[i]])),
        NA
      ))
      expect_true(any(vapply(
        theirs[same],
        \(m) isTRUE(all.equal(m, ours[[i]], check.attributes = FALSE)),
        NA
      )))
    }
    flist <- lme4::getME(lme4, "flist")
    expect_equal(attr(getME(fit, "flist"), "assign"), attr(flist, "assign"))
    expect_identical(
      lapply(getME(fit, "flist"), as.character),
      lapply(flist, as.character),
      ignore_attr = TRUE
    )
    devcomp <- lme4::getME(lme4, "devcomp")
    cmp <- names(getME(fit, "devcomp")$cmp)
    if (length(fixef(fit)) > 0) {
      expect_equal(
        getME(fit, "devcomp")$cmp,
        devcomp$cmp[cmp],
        tolerance = 1e-6
      )
    }
    shared <- intersect(names(devcomp$dims), names(getME(fit, "devcomp")$dims))
    expect_equal(getME(fit, "devcomp")$dims[shared], devcomp$dims[shared])
  })
})

test_that("the properties of MixedModels.jl", {
  fit <- rlmm(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    sleepstudy,
    REML = FALSE
  )
  expect_equal(getME(fit, "dims"), c(n = 180L, p = 2L, q = 36L, k = 1L))
  expect_equal(getME(fit, "betas"), fixef(fit))
  expect_equal(getME(fit, "objective"), deviance(fit))
  lambda <- getME(fit, "lambda")$Subject
  expect_equal(
    unname(lambda[lower.tri(lambda, TRUE)]),
    unname(getME(fit, "theta"))
  )
  expect_equal(
    getME(fit, "sigmas")$Subject,
    attr(VarCorr(fit)$Subject, "stddev")
  )
  expect_equal(
    getME(fit, "sigmarhos")$Subject$rho,
    attr(VarCorr(fit)$Subject, "correlation")[2, 1]
  )
  expect_equal(
    getME(fit, "pvalues"),
    coef(summary(fit, ddf = "asymptotic"))[, "Pr(>|z|)"]
  )
  expect_equal(getME(fit, "corr"), cov2cor(vcov(fit)))
  map <- getME(fit, "parmap")
  expect_identical(
    map[c("theta", "row", "col")],
    data.frame(theta = 1:3, row = c(1L, 2L, 2L), col = c(1L, 1L, 2L))
  )
  expect_equal(getME(fit, "rePCA")$Subject[2], 1)
  expect_identical(getME(fit, "sqrtwts"), numeric())
  expect_identical(getME(fit, "feterm")$rank, 2L)
  expect_identical(getME(fit, "lowerbd"), getME(fit, "lower"))
  expect_equal(ncol(getME(fit, "Xymat")), 3)
  expect_s3_class(getME(fit, "optsum"), "rlmm_optsum")
})

test_that("several names, all, and unknown names", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_identical(getME(fit, c("n", "p")), list(n = 30L, p = 1L))
  expect_setequal(names(getME(fit, "ALL")), names(fit_parts))
  # As in lme4 a name may be shortened.
  expect_identical(getME(fit, "n_rfac"), getME(fit, "n_rfacs"))
  expect_error(getME(fit, "thata"), class = "rlmm_error_unknown_part")
  expect_snapshot({
    writeLines(error_lines(getME(fit, "thata")))
    writeLines(error_lines(getME(fit)))
  })
})

# Lambda'Z'WZ Lambda + I from lme4's matrices; the order of terms is ours where they agree.
lme4_penalized <- function(fit, weights) {
  scaled <- lme4::getME(fit, "Lambdat") %*% lme4::getME(fit, "Zt")
  product <- scaled %*% Matrix::Diagonal(x = weights) %*% Matrix::t(scaled)
  as.matrix(product + Matrix::Diagonal(nrow(product)))
}

test_that("sparseL, logdet, feL and cond are those of lme4's matrices", {
  for (name in c("sleep", "sleep_ml", "penicillin", "sleep_weights")) {
    pair <- twin(name)
    skip_if(is.null(pair))
    fit <- pair$ours
    theirs <- pair$theirs
    product <- lme4_penalized(theirs, weights(theirs))
    l <- getME(fit, "sparseL")
    expect_s4_class(l, "dtCMatrix")
    expect_true(Matrix::isTriangular(l, upper = FALSE))
    expect_equal(
      as.matrix(Matrix::tcrossprod(l)),
      product,
      tolerance = 1e-8,
      ignore_attr = TRUE
    )
    rx <- lme4::getME(theirs, "RX")
    log_det <- as.numeric(determinant(product)$modulus)
    if (isREML(fit)) {
      log_det <- log_det + 2 * sum(log(diag(rx)))
    }
    expect_equal(getME(fit, "logdet"), log_det, tolerance = 1e-8)
    expect_equal(
      tcrossprod(getME(fit, "feL")),
      crossprod(rx),
      tolerance = 1e-7,
      ignore_attr = TRUE
    )
    lambdas <- lme4::getME(theirs, "Tlist")
    expect_equal(
      getME(fit, "cond"),
      vapply(lambdas, kappa, 0, exact = TRUE),
      tolerance = 1e-6
    )
  }
})

fitted_eta <- function(fit) unname(predict(fit, type = "link"))

test_that("the blocks of a generalized model are those of its last iteration", {
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  fit <- rglmm(formula, cbpp, family = binomial, nAGQ = 0)
  skip_if_not_installed("lme4")
  theirs <- lme4::glmer(formula, cbpp, family = binomial, nAGQ = 0)
  product <- lme4_penalized(theirs, weights(theirs, "working"))
  l <- getME(fit, "sparseL")
  expect_equal(
    as.matrix(Matrix::tcrossprod(l)),
    product,
    tolerance = 1e-4,
    ignore_attr = TRUE
  )
  expect_equal(getME(fit, "logdet"), 2 * sum(log(Matrix::diag(l))))
  # Where the fixed effects are found with the modes, the last block solves for both.
  corner <- as.matrix(getME(fit, "L_blocks")[["Xy,Xy"]])
  beta <- solve(t(corner[1:4, 1:4]), corner[5, 1:4])
  expect_equal(beta, unname(fixef(fit)), tolerance = 1e-5)
  linear <- getME(fit, "LMM")
  expect_equal(linear$A_blocks, getME(fit, "A_blocks"))
  expect_equal(linear$sqrtwts^2, weights(theirs, "working"), tolerance = 1e-4)
  z <- as.matrix(getME(fit, "Z"))
  normal <- crossprod(z, linear$sqrtwts^2 * (linear$y - fitted_eta(fit)))
  expect_equal(
    drop(as.matrix(Matrix::t(getME(fit, "Lambda")) %*% normal)),
    getME(fit, "u"),
    tolerance = 1e-5,
    ignore_attr = TRUE
  )
})

test_that("resp and wt are of the response, as those of glm()", {
  # Without random effects of any size the working values are glm()'s.
  formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
  held <- rlmm_control(
    fixed = list(theta = c("herd.(Intercept)" = 0)),
    check_conv_singular = "ignore"
  )
  fit <- rglmm(formula, cbpp, family = binomial, control = held)
  plain <- glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp)
  resp <- getME(fit, "resp")
  expect_equal(resp$y, unname(plain$y))
  expect_equal(resp$mu, unname(fitted(plain)), tolerance = 1e-6)
  expect_equal(resp$eta, unname(plain$linear.predictors), tolerance = 1e-6)
  expect_equal(resp$wts, unname(plain$prior.weights))
  expect_equal(resp$wrkwt, unname(plain$weights), tolerance = 1e-5)
  expect_equal(resp$wrkresid, unname(plain$residuals), tolerance = 1e-5)
  expect_equal(sum(resp$devresid), deviance(plain), tolerance = 1e-8)
  expect_identical(getME(fit, "wt"), as.double(cbpp$size))

  linear <- rlmm(
    Reaction ~ Days + (1 | Subject),
    sleepstudy,
    weights = Days + 1,
    offset = 10 * Days
  )
  resp <- getME(linear, "resp")
  expect_equal(resp$wrkresid, unname(residuals(linear)))
  expect_equal(sum(resp$devresid), linear$dev$wrss)
  expect_identical(resp$offset, 10 * sleepstudy$Days)
  expect_identical(getME(linear, "wt"), sleepstudy$Days + 1)
  expect_identical(getME(linear, "LMM"), linear)
})

test_that("blocks of negative weights are refused", {
  data <- data.frame(
    y = c(9, 1, 30, 2, 5, 44, 3, 1, 8, 60, 2, 7),
    g = gl(4, 3)
  )
  fit <- suppressMessages(suppressWarnings(rglmm(
    y ~ 1 + (1 | g),
    data,
    family = Gamma("identity"),
    dispersion = "estimated",
    information = "observed"
  )))
  skip_if(all(fit$working_weights >= 0))
  expect_error(getME(fit, "L_blocks"), class = "rlmm_error_not_available")
})

test_that("Lambda of a grouping factor has the blocks of its terms", {
  fit <- rlmm(
    Reaction ~ Days + (1 | Subject) + (0 + Days | Subject),
    sleepstudy
  )
  joint <- getME(fit, "joint_lambda")
  expect_named(joint, "Subject")
  names <- c("(Intercept)", "Days")
  expect_equal(
    joint$Subject,
    structure(diag(unname(getME(fit, "theta"))), dimnames = list(names, names))
  )
})

test_that("the title is lme4's", {
  skip_if_not_installed("lme4")
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  dims <- c(GLMM = 0, NLMM = 0, REML = 2, nAGQ = 1)
  expect_identical(getME(fit, "methTitle"), lme4::methTitle(dims))
})
