# Sums, and fits of sums, against dense matrices and fits of the rows.

test_that("sums are the cross-products of dense matrices", {
  d <- transform(sleepstudy, w = seq_len(180) / 90)
  sums <- rlmm_sums(Reaction ~ Days + (Days | Subject), d, weights = w)$sums
  x <- cbind(1, d$Days - sums$shift[2L])
  r <- d$Reaction - drop(x %*% sums$beta0)
  expect_equal(sums$shift[2L], weighted.mean(d$Days, d$w))
  expect_equal(sums$xx, crossprod(x, d$w * x), tolerance = 1e-12)
  expect_equal(sums$rr, sum(d$w * r^2), tolerance = 1e-12)
  expect_equal(sums$yy, sum(d$w * d$Reaction^2), tolerance = 1e-12)
  first <- d$Subject == levels(d$Subject)[1L]
  z <- cbind(1, d$Days)[first, ]
  w <- d$w[first]
  expect_equal(sums$terms[[1L]]$zz[,, 1L], crossprod(z, w * z))
  expect_equal(sums$terms[[1L]]$xz[,, 1L], crossprod(x[first, ], w * z))
  expect_equal(sums$terms[[1L]]$zr[, 1L], drop(crossprod(z, w * r[first])))
})

test_that("parts of the data add up to the fit of all", {
  d <- some_lectures()
  d <- d[sample(nrow(d)), ]
  fit <- rlmm(lectures_formula, d)
  part <- rep(1:7, length.out = nrow(d))
  sums <- lapply(split(d, part), \(rows) rlmm_sums(lectures_formula, rows))
  expect_equal_fits(rlmm(do.call(c, sums)), fit)
  expect_equal(
    as.data.frame(ranef(rlmm(sums[[1L]]))),
    as.data.frame(ranef(rlmm(lectures_formula, d[part == 1L, ]))),
    tolerance = 1e-5
  )
})

test_that("levels stand in the order that they have in data", {
  set.seed(3)
  d <- sleepstudy[sample(180), ]
  d$number <- as.integer(as.character(d$Subject))
  d$text <- paste0("s", d$number)
  parts <- split(d, rep(1:3, 60))
  for (name in c("number", "text", "Subject", "Subject:number")) {
    formula <- as.formula(paste0("Reaction ~ Days + (Days | ", name, ")"))
    fit <- rlmm(formula, d)
    of_parts <- lapply(parts, \(rows) rlmm_sums(formula, rows))
    expect_equal(
      ranef(rlmm(do.call(c, of_parts))),
      ranef(fit),
      tolerance = 1e-6
    )
    expect_equal(
      ranef(rlmm(formula, reader_of(d, 7))),
      ranef(fit),
      tolerance = 1e-6
    )
  }
  # A factor at one site is text at another.
  parts[[2L]]$Subject <- as.character(parts[[2L]]$Subject)
  formula <- Reaction ~ Days + (Days | Subject)
  of_parts <- lapply(parts, \(rows) rlmm_sums(formula, rows))
  expect_equal(
    ranef(rlmm(do.call(c, of_parts))),
    ranef(rlmm(formula, d)),
    tolerance = 1e-6
  )
})

test_that("weights of sums may count rows", {
  d <- transform(sleepstudy, times = rep(0:2, 60))
  repeated <- d[rep(seq_len(180), d$times), ]
  formula <- Reaction ~ Days + (1 | Subject)
  of <- \(rows) rlmm_sums(formula, rows, times, weights_type = "frequency")
  found <- rlmm(c(of(d[1:70, ]), of(d[71:180, ])))
  expect_equal_fits(found, rlmm(formula, repeated))
  expect_equal(nobs(found), 180)
})

test_that("missing values, an offset, and terms that share a factor", {
  d <- sleepstudy
  d$Reaction[c(3, 50)] <- NA
  formula <- Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)
  parts <- list(d[1:77, ], d[78:180, ])
  sums <- lapply(parts, \(rows) rlmm_sums(formula, rows, offset = Days^2))
  expect_equal_fits(
    rlmm(do.call(c, sums), REML = FALSE),
    rlmm(formula, d, offset = Days^2, REML = FALSE)
  )
})

test_that("dependent columns are dropped as from data", {
  d <- transform(sleepstudy, twice = 2 * Days + 1)
  formula <- Reaction ~ Days + twice + (1 | Subject)
  expect_message(found <- rlmm(rlmm_sums(formula, d)), "twice")
  expect_message(fit <- rlmm(formula, d), "twice")
  expect_equal_fits(found, fit)
})

test_that("sums survive being saved", {
  file <- withr::local_tempfile()
  sums <- rlmm_sums(Yield ~ 1 + (1 | Batch), Dyestuff)
  saveRDS(sums, file)
  fit <- rlmm(readRDS(file), REML = FALSE)
  # The value of lme4 (and MixedModels.jl).
  expect_equal(deviance(fit), 327.327059881, tolerance = 1e-10)
})

test_that("sums print what they are", {
  expect_snapshot(
    rlmm_sums(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  )
})

test_that("what needs rows, or isn't a sum, is refused in the user's words", {
  sums <- rlmm_sums(Reaction ~ Days + (1 | Subject), sleepstudy)
  other <- rlmm_sums(Reaction ~ 1 + (1 | Subject), sleepstudy)
  text <- transform(sleepstudy, f = rep(letters[1:3], 60))
  ab <- rlmm_sums(Reaction ~ f + (f | Subject), text[text$f != "c", ])
  ac <- rlmm_sums(Reaction ~ f + (f | Subject), text[text$f != "b", ])
  fit <- rlmm(sums)
  expect_snapshot({
    writeLines(error_lines(residuals(fit)))
    writeLines(error_lines(predict(fit)))
    writeLines(error_lines(update(fit, . ~ . + log(Days))))
    writeLines(error_lines(summary(fit, ddf = "Kenward-Roger")))
    writeLines(error_lines(as_merMod(fit)))
    writeLines(error_lines(rlmm(sums, weights = Days)))
    writeLines(error_lines(c(sums, other)))
    writeLines(error_lines(c(ab, ac)))
    writeLines(error_lines(c(sums, 3)))
    writeLines(error_lines(rlmm_sums(Reaction ~ 1 + (1 | Subject), 1:3)))
    writeLines(error_lines(rlmm_sums(
      Reaction ~ poly(Days, 2) + (1 | Subject),
      reader_of(sleepstudy, 50)
    )))
    writeLines(error_lines(rlmm_sums(
      Reaction ~ I(Days - mean(Days)) + (1 | Subject),
      reader_of(sleepstudy, 37)
    )))
    held <- rlmm_control(fixed = list(beta = c(Days = 10)))
    writeLines(error_lines(rlmm(sums, control = held)))
  })
})

test_that("a model without fixed effects is fitted to sums, and left by drop1()", {
  formula <- Reaction ~ 0 + (1 | Subject)
  expect_equal_fits(
    rlmm(rlmm_sums(formula, sleepstudy)),
    rlmm(formula, sleepstudy)
  )
  formula <- Reaction ~ 0 + Days + (1 | Subject)
  sums <- rlmm(rlmm_sums(formula, sleepstudy))
  expect_equal(drop1(sums)$AIC, drop1(rlmm(formula, sleepstudy))$AIC)
})
