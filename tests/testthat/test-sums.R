crossed_formula <- y ~ service + (1 | s) + (service | dept)

some_lectures <- function() InstEval[seq(1, nrow(InstEval), by = 12), ]

# A reader of chunks of some rows.
reader_of <- function(data, size) {
  from <- 1
  function(reset) {
    if (reset) {
      from <<- 1
      return(NULL)
    }
    rows <- seq_len(nrow(data))
    rows <- rows[rows >= from & rows < from + size]
    from <<- from + size
    if (length(rows) > 0) data[rows, , drop = FALSE]
  }
}

expect_same_fit <- function(found, fit, tolerance = 1e-7) {
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-12)
  expect_equal(fixef(found), fixef(fit), tolerance = tolerance)
  expect_equal(vcov(found), vcov(fit), tolerance = tolerance)
  expect_equal(
    getME(found, "theta"),
    getME(fit, "theta"),
    tolerance = tolerance
  )
}

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
  fit <- rlmm(crossed_formula, d)
  part <- rep(1:7, length.out = nrow(d))
  sums <- lapply(split(d, part), \(rows) rlmm_sums(crossed_formula, rows))
  expect_same_fit(rlmm(do.call(c, sums)), fit)
  expect_equal(
    as.data.frame(ranef(rlmm(sums[[1L]]))),
    as.data.frame(ranef(rlmm(crossed_formula, d[part == 1L, ]))),
    tolerance = 1e-5
  )
})

test_that("chunks that a function reads are one data frame", {
  d <- some_lectures()
  fit <- rlmm(crossed_formula, d, weights = as.numeric(studage))
  reader <- reader_of(d, 500)
  expect_same_fit(
    rlmm(crossed_formula, reader, weights = as.numeric(studage)),
    fit
  )
  # Levels that the first chunk lacks, in text.
  text <- transform(d, lectage = as.character(lectage))
  text <- text[order(text$lectage), ]
  formula <- y ~ lectage + (1 | s) + (1 | d)
  expect_same_fit(rlmm(formula, reader_of(text, 700)), rlmm(formula, text))
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
  expect_same_fit(found, rlmm(formula, repeated))
  expect_equal(nobs(found), 180)
})

test_that("a fit with a response far from zero keeps its digits", {
  d <- transform(sleepstudy, far = Reaction + 1e7, late = Days + 1e6)
  formula <- far ~ late + (Days | Subject)
  sums <- rlmm_sums(formula, d)
  expect_equal(
    deviance(rlmm(sums)),
    deviance(rlmm(Reaction ~ Days + (Days | Subject), d)),
    tolerance = 1e-9
  )
})

test_that("missing values, an offset, and terms that share a factor", {
  d <- sleepstudy
  d$Reaction[c(3, 50)] <- NA
  formula <- Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)
  parts <- list(d[1:77, ], d[78:180, ])
  sums <- lapply(parts, \(rows) rlmm_sums(formula, rows, offset = Days^2))
  expect_same_fit(
    rlmm(do.call(c, sums), REML = FALSE),
    rlmm(formula, d, offset = Days^2, REML = FALSE)
  )
})

test_that("dependent columns are dropped as from data", {
  d <- transform(sleepstudy, twice = 2 * Days + 1)
  formula <- Reaction ~ Days + twice + (1 | Subject)
  expect_message(found <- rlmm(rlmm_sums(formula, d)), "twice")
  expect_message(fit <- rlmm(formula, d), "twice")
  expect_same_fit(found, fit)
})

test_that("inference from sums is that from data", {
  sums <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- rlmm(sums)
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(coef(summary(found)), coef(summary(fit)), tolerance = 1e-6)
  for (type in 1:3) {
    expect_equal(
      as.data.frame(anova(found, type = type)),
      as.data.frame(anova(fit, type = type)),
      tolerance = 1e-6
    )
  }
  expect_equal(
    as.data.frame(anova(found, ddf = "none")),
    as.data.frame(anova(fit, ddf = "none")),
    tolerance = 1e-6
  )
  expect_equal(confint(found), confint(fit), tolerance = 1e-4)
  new <- sleepstudy[c(1, 60), ]
  expect_equal(predict(found, new), predict(fit, new))
  expect_equal(
    format(VarCorr(found)),
    format(VarCorr(fit))
  )
  null <- rlmm(rlmm_sums(Reaction ~ 1 + (Days | Subject), sleepstudy))
  compared <- suppressMessages(anova(found, null))
  expect_equal(compared$Chisq[2L], 23.5365, tolerance = 1e-5)
})

test_that("tests of type III with interactions need no rows", {
  d <- transform(
    sleepstudy,
    g = factor(rep(1:3, 60)),
    h = rep(c("a", "b"), each = 90)
  )
  formula <- Reaction ~ Days * g + h + (1 | Subject)
  found <- rlmm(rlmm_sums(formula, d))
  expect_equal(
    as.data.frame(anova(found, type = 3)),
    as.data.frame(anova(rlmm(formula, d), type = 3)),
    tolerance = 1e-6
  )
})

# Crossed and nested factors, two terms of one factor, weights and a character factor.
weighted_rows <- function() {
  set.seed(5)
  n <- 600
  d <- data.frame(
    s = sprintf("s%02d", rep(1:30, 20)),
    i = rep(1:20, each = 30),
    x = rnorm(n, 5),
    f = sample(c("a", "b", "c"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  slopes <- rnorm(30, 1, 0.5)[factor(d$s)]
  d$y <- 300 + slopes * d$x + rnorm(20)[d$i] * d$w + rnorm(30)[factor(d$s)]
  d$y <- d$y + rnorm(20)[d$i] + rnorm(n)
  d
}

weighted_formula <- y ~ x * f + w + (x | s) + (1 | i) + (0 + w | i)

test_that("models of fewer terms are fitted from the sums of a fit", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d, weights = w))
  fit <- rlmm(weighted_formula, d, weights = w)
  expect_same_fit(update(found, REML = FALSE), update(fit, REML = FALSE))
  smaller <- list(
    . ~ . - x:f,
    . ~ . - w - (0 + w | i),
    . ~ . - (1 | i),
    . ~ f + (1 | i),
    . ~ . - (x | s) + (1 | s) + (0 + x | s),
    . ~ 0 + w + x + (0 + x | s)
  )
  for (change in smaller) {
    expect_same_fit(
      suppressMessages(update(found, change)),
      suppressMessages(update(fit, change)),
      1e-5
    )
  }
  # A fit from the sums of a fit has them, too.
  expect_same_fit(
    update(update(found, . ~ . - x:f), . ~ . - f),
    update(fit, . ~ . - f - x:f),
    1e-5
  )
})

test_that("tables of changed models from sums are those from data", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d))
  fit <- rlmm(weighted_formula, d)
  as_lists <- \(table) lapply(as.list(table), as.vector)
  expect_same_table <- \(f) {
    expect_equal(as_lists(f(found)), as_lists(f(fit)), tolerance = 1e-4)
  }
  expect_same_table(\(fit) drop1(fit, test = "Chisq"))
  expect_same_table(\(fit) drop1(fit, test = "F"))
  expect_same_table(\(fit) ranova(fit))
  expect_same_table(\(fit) anova(fit, update(fit, . ~ . - x:f), refit = FALSE))
  expect_equal(
    formula(update(found, . ~ . - x:f)),
    formula(update(fit, . ~ . - x:f)),
    ignore_formula_env = TRUE
  )
})

test_that("errors and intervals of predictions from sums are those from data", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d, weights = w))
  fit <- rlmm(weighted_formula, d, weights = w)
  new <- rbind(d[c(1, 50, 333), ], transform(d[7, ], s = "new"))
  expect_same <- function(...) {
    expect_equal(
      predict(found, new, allow.new.levels = TRUE, ...),
      predict(fit, new, allow.new.levels = TRUE, ...),
      tolerance = 1e-6
    )
  }
  expect_same(se.fit = TRUE, cov.fit = TRUE)
  expect_same(interval = "confidence")
  expect_same(interval = "prediction")
  expect_same(interval = "prediction", re.form = ~ (1 | i))
  expect_equal(getME(found, "RZX"), getME(fit, "RZX"), tolerance = 1e-5)
})

test_that("an offset of sums is part of predictions", {
  formula <- Reaction ~ Days + (1 | Subject)
  found <- rlmm(rlmm_sums(formula, sleepstudy, offset = 3 * Days))
  fit <- rlmm(formula, sleepstudy, offset = 3 * Days)
  new <- sleepstudy[c(5, 100), ]
  expect_equal(predict(found, new), predict(fit, new))
})

test_that("means of emmeans need some rows beside the sums", {
  skip_if_not_installed("emmeans")
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(y ~ x + f + (1 | s), d))
  fit <- rlmm(y ~ x + f + (1 | s), d)
  means <- \(fit, ...) as.data.frame(emmeans::emmeans(fit, "f", ...))
  expect_error(means(found), "give some")
  expect_equal(
    as.list(means(found, data = d)),
    as.list(means(fit)),
    tolerance = 1e-5
  )
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
  expect_same_fit(
    rlmm(rlmm_sums(formula, sleepstudy)),
    rlmm(formula, sleepstudy)
  )
  formula <- Reaction ~ 0 + Days + (1 | Subject)
  sums <- rlmm(rlmm_sums(formula, sleepstudy))
  expect_equal(drop1(sums)$AIC, drop1(rlmm(formula, sleepstudy))$AIC)
})

test_that("a reader that doesn't go back is told of", {
  at <- new.env()
  at$first <- 1
  forward <- function(reset) {
    if (!reset && at$first < 180) {
      at$first <- at$first + 60
      transform(
        sleepstudy[seq(at$first - 60, at$first - 1), ],
        half = ifelse(Days < 5, "first", "last")
      )
    }
  }
  error <- expect_error(
    rlmm(Reaction ~ half + (1 | Subject), forward),
    class = "rlmm_error_argument"
  )
  expect_match(conditionMessage(error), "must go back to the first chunk")
})

test_that("tidy() and glance() of sums are those of broom.mixed from data", {
  skip_if_not_installed("generics")
  generics <- \(name) getExportedValue("generics", name)
  formula <- Reaction ~ Days + (Days | Subject)
  found <- rlmm(rlmm_sums(formula, sleepstudy))
  fit <- rlmm(formula, sleepstudy)
  table <- generics("tidy")(found, conf.int = TRUE)
  expect_equal(table$estimate[1:2], unname(fixef(fit)), tolerance = 1e-6)
  expect_equal(
    table$df[1:2],
    unname(coef(summary(fit))[, "df"]),
    tolerance = 1e-6
  )
  expect_equal(
    unname(as.matrix(table[1:2, c("conf.low", "conf.high")])),
    unname(confint(fit, "beta_", method = "Wald")),
    tolerance = 1e-6
  )
  modes <- generics("tidy")(found, effects = "ran_vals")
  expect_equal(nrow(modes), 36L)
  expect_error(
    generics("tidy")(found, effects = "random"),
    class = "rlmm_error_argument"
  )
  glance <- generics("glance")(found)
  expect_equal(glance$BIC, BIC(fit), tolerance = 1e-8)
  skip_if_not_installed("broom.mixed")
  theirs <- generics("tidy")(fit)
  expect_equal(table$term, theirs$term)
  expect_equal(table$group, theirs$group)
  expect_equal(table$estimate, theirs$estimate, tolerance = 1e-5)
  expect_equal(table$std.error, theirs$std.error, tolerance = 1e-5)
  expect_equal(glance, generics("glance")(fit), tolerance = 1e-8)
})

test_that("a diagnosis of sums leaves out what needs rows", {
  found <- rlmm(rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy))
  diagnosis <- diagnose(found)
  expect_setequal(
    diagnosis$checks$check,
    c("Convergence", "Singularity", "Levels", "Rows", "Random effects")
  )
  skip_if_not_installed("lattice")
  expect_length(plot(diagnosis), 1L)
})

# Days since a far origin, which spread by a part in 50,000 of their mean.
far_rows <- function(mean = 1e4) {
  set.seed(11)
  n <- 1200
  rows <- data.frame(
    id = factor(sample(60, n, TRUE)),
    site = factor(sample(9, n, TRUE)),
    near = runif(n, -0.2, 0.2),
    x = rnorm(n)
  )
  rows$day <- mean + rows$near
  rows$y <- rnorm(60)[rows$id] +
    (1 + rnorm(60, sd = 4)[rows$id]) * rows$near +
    rnorm(9, sd = 0.5)[rows$site] +
    0.2 * rows$x +
    rnorm(n)
  rows
}

expect_fit_of_rows <- function(found, fit, tolerance = 1e-7) {
  expect_lt(abs(REMLcrit(found) - REMLcrit(fit)), 1e-6)
  expect_equal(sigma(found), sigma(fit), tolerance = tolerance)
  expect_equal(fixef(found)[-1L], fixef(fit)[-1L], tolerance = 1e-5)
  expect_equal(
    as.numeric(predict(found, far_rows())),
    as.numeric(fitted(fit)),
    tolerance = tolerance
  )
}

test_that("sums keep the digits of a covariate far from zero", {
  rows <- far_rows()
  formula <- y ~ day + x + (day | id) + (1 | site)
  fit <- rlmm(formula, rows)
  near <- rlmm(y ~ near + x + (near | id) + (1 | site), rows)
  sums <- rlmm_sums(formula, rows)
  found <- rlmm(sums)
  expect_fit_of_rows(found, fit)
  # The origin of a covariate is nobody's business.
  expect_lt(abs(REMLcrit(found) - REMLcrit(near)), 1e-6)
  parts <- lapply(list(1:500, 501:1200), \(own) {
    rlmm_sums(formula, rows[own, ])
  })
  expect_fit_of_rows(rlmm(do.call(c, parts)), fit)
  expect_fit_of_rows(rlmm(do.call(c, rev(parts))), fit)
  expect_equal(
    summary(found)$coefficients,
    summary(fit)$coefficients,
    tolerance = 1e-5
  )
  expect_equal(
    attr(VarCorr(found)$id, "correlation"),
    attr(VarCorr(fit)$id, "correlation"),
    tolerance = 1e-6
  )
  expect_equal(
    predict(found, rows[1:5, ], se.fit = TRUE)$se.fit,
    predict(fit, rows[1:5, ], se.fit = TRUE)$se.fit,
    tolerance = 1e-5
  )
})

# An interaction with a covariate far from zero is nearly a multiple of the other variable. Rows
# show the difference, products only some digits of it.
test_that("columns aren't dropped because sums have too few digits", {
  set.seed(11)
  data <- data.frame(g = gl(8, 15), f = gl(3, 1, 120), c = rnorm(120))
  data$y <- rnorm(8)[data$g] + rnorm(3)[data$f] * data$c + rnorm(120)
  formula <- y ~ x * f + (1 | g)
  centred <- rlmm(y ~ c * f + (1 | g), data)
  data$x <- data$c + 1e3
  near <- rlmm(rlmm_sums(formula, data))
  expect_equal(logLik(near)[1L], logLik(centred)[1L], tolerance = 1e-6)
  for (origin in c(1e5, 1e7)) {
    data$x <- data$c + origin
    for (form in list(formula, y ~ g * x + (1 | f))) {
      cnd <- expect_error(
        suppressMessages(rlmm(rlmm_sums(form, data))),
        class = "rlmm_error_origin"
      )
      expect_match(conditionMessage(cnd), "Centre the covariate")
    }
    expect_message(
      fit <- rlmm(rlmm_sums(y ~ x + f + I(2 * x) + (1 | g), data)),
      class = "rlmm_message_rankx"
    )
    expect_named(fixef(fit), c("(Intercept)", "x", "f2", "f3"))
  }
})

test_that("sums about an origin are those of the columns themselves", {
  rows <- far_rows(50)
  formula <- y ~ day + x + (day + x | id) + (1 | site) + (0 + x | site)
  sums <- rlmm_sums(formula, rows)$sums
  expect_false(is.null(sums$summed))
  given <- sums_of_columns(sums, NULL)
  expect_null(given$summed)
  z <- cbind(1, rows$day, rows$x)
  of_id <- \(level, other = z) {
    own <- rows$id == level
    crossprod(z[own, ], other[own, ])
  }
  levels <- rlmm_sums(formula, rows)$levels
  for (level in c(1, 30)) {
    expect_equal(
      given$terms[[1L]]$zz[,, level],
      of_id(levels$id[level]),
      tolerance = 1e-12
    )
  }
  pair <- given$pairs[[1L]]
  own <- rows$id == levels$id[pair$a[7L]] & rows$site == levels$site[pair$b[7L]]
  expect_equal(
    matrix(pair$zz[,, 7L], 3),
    crossprod(z[own, , drop = FALSE], z[own, c(1, 3), drop = FALSE]),
    tolerance = 1e-12
  )
  expect_equal(
    sums_of_columns(given, sums$summed)$terms[[1L]],
    sums$terms[[1L]],
    tolerance = 1e-8
  )
})

test_that("models with fewer effects of a covariate far from zero", {
  rows <- far_rows(100)
  found <- rlmm(rlmm_sums(y ~ day + x + (day | id) + (1 | site), rows))
  for (formula in list(
    y ~ day + x + (1 | id) + (1 | site),
    y ~ day + x + (0 + day | id) + (1 | site),
    y ~ day + (day | id)
  )) {
    smaller <- update(found, formula)
    expect_lt(abs(REMLcrit(smaller) - REMLcrit(rlmm(formula, rows))), 1e-6)
  }
  fit <- rlmm(y ~ day + x + (day | id) + (1 | site), rows)
  expect_equal(
    as.data.frame(ranova(found)),
    as.data.frame(ranova(fit)),
    tolerance = 1e-6
  )
  expect_equal(
    confint(found, "theta_"),
    confint(fit, "theta_"),
    tolerance = 1e-4
  )
})

test_that("a constant column that isn't where it was taken for is dropped", {
  n <- 600
  off <- 1 - 0.4567
  xx <- n * rbind(c(1, off), c(off, off^2))
  # As large a rounding error as sums of so many rows have.
  xx[2, 2] <- xx[2, 2] * (1 + 1e-15)
  sums <- list(xx = xx)
  names <- c("(Intercept)", "x")
  expect_identical(independent_sums(sums, names, "ignore"), 1L)
})

test_that("a reader that may never end is told of", {
  count <- 0
  endless <- function(reset) {
    count <<- count + 1
    if (!reset && count < 150) sleepstudy
  }
  expect_message(
    rlmm_sums(Reaction ~ Days + (Days | Subject), endless),
    class = "rlmm_message_endless"
  )
  # Rows that differ are more data, and so is one row, however often it comes.
  rows <- sleepstudy[rep(1:3, each = 60), ]
  at <- 0
  by_row <- function(reset) {
    at <<- if (reset) 0 else at + 1
    if (at > 0 && at <= nrow(rows)) rows[at, ]
  }
  expect_no_message(
    rlmm_sums(Reaction ~ 1 + (1 | Subject), by_row),
    class = "rlmm_message_endless"
  )
})

test_that("rows that a reader returns when it starts anew are refused, not lost", {
  at <- new.env()
  chunks <- function(reset) {
    at$last <- if (reset) 90 else at$last + 90
    rows <- seq_len(nrow(sleepstudy))
    rows <- rows[rows > at$last - 90 & rows <= at$last]
    if (length(rows) > 0) sleepstudy[rows, ]
  }
  expect_error(
    rlmm_sums(Reaction ~ Days + (Days | Subject), chunks),
    "returned 90 rows",
    class = "rlmm_error_argument"
  )
  expect_error(
    rglmm(round(Reaction) ~ Days + (1 | Subject), chunks, poisson),
    "returned 90 rows",
    class = "rlmm_error_argument"
  )
})

# A reader of some chunks.
in_chunks <- function(parts) {
  at <- new.env()
  function(reset) {
    at$place <- if (reset) 0L else at$place + 1L
    if (at$place %in% seq_along(parts)) parts[[at$place]]
  }
}

test_that("a variable that is of another kind in a later chunk is refused", {
  formula <- Reaction ~ Days + (1 | Subject)
  late <- sleepstudy[91:180, ]
  changed <- list(
    transform(late, Days = as.character(Days)),
    transform(late, Days = as.Date(Days, origin = "2020-01-01")),
    transform(late, Days = Days > 3)
  )
  for (chunk in changed) {
    chunks <- in_chunks(list(sleepstudy[1:90, ], chunk))
    expect_error(
      rlmm_sums(formula, chunks),
      "`Days` is (numeric|neither text nor a factor) in the first chunk",
      class = "rlmm_error_variable"
    )
  }
  chunks <- in_chunks(list(sleepstudy[1:90, ], transform(late, Subject = 1)))
  expect_error(
    rlmm_sums(Reaction ~ Subject + (1 | Days), chunks),
    "`Subject` is text or a factor in the first chunk",
    class = "rlmm_error_variable"
  )
  numbered <- transform(late, Subject = as.integer(as.character(Subject)))
  same <- in_chunks(list(sleepstudy[1:90, ], numbered))
  expect_equal(rlmm_sums(formula, same)$n, 180)
})

test_that("levels of chunks have the order and the contrasts that they have in the whole", {
  d <- data.frame(a = sin(1:120), g = rep(1:12, 10))
  level <- (d$g * 7 + seq_len(120)) %% 3L + 1L
  d$b <- factor(c("lo", "mid", "hi")[level], c("lo", "mid", "hi"))
  d$code <- c(9, 10, 11)[level]
  d$y <- level + d$a + cos(3 * d$g) + sin(7 * seq_len(120))
  # No chunk but one has the first level.
  d <- d[order(d$b == "lo"), ]
  expect_as_whole <- function(formula, data = d) {
    expect_same_fit(rlmm(formula, reader_of(data, 30)), rlmm(formula, data))
  }
  for (formula in c(
    y ~ relevel(b, "mid") + (1 | g),
    y ~ factor(b, c("hi", "mid", "lo")) + (1 | g),
    y ~ ordered(b) + (1 | g),
    y ~ factor(code) * a + (1 | g),
    y ~ C(b, contr.sum) * a + (1 | g),
    y ~ C(b, "contr.helmert") + (0 + a | g),
    y ~ interaction(b, a > 0) + (1 | g)
  )) {
    expect_as_whole(formula)
  }
  for (contrasts in list("contr.sum", contr.helmert(3), contr.sum(3))) {
    contrasts(d$b) <- contrasts
    expect_as_whole(y ~ b + a + (1 | g), d)
  }
})

test_that("contrasts of some levels aren't taken for those of all", {
  d <- data.frame(b = rep(1:3, each = 20), g = rep(1:6, 10))
  d$y <- d$b + cos(d$g) + sin(7 * seq_len(60))
  coded <- y ~ C(factor(b), contr.sum) + (1 | g)
  in_chunks <- error_lines(rlmm(coded, reader_of(d, 30)))
  d$b <- factor(d$b)
  parts <- lapply(c("contr.sum", "contr.helmert"), \(coding) {
    rlmm_sums(y ~ b + (1 | g), d, contrasts = list(b = coding))
  })
  expect_snapshot({
    writeLines(in_chunks)
    writeLines(error_lines(do.call(c, parts)))
  })
  same <- rlmm_sums(y ~ b + (1 | g), d, contrasts = list(b = contr.sum(3)))
  expect_s3_class(c(parts[[1]], same), "rlmm_sums")
})
