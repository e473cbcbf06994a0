# An empty cell: the cell-means model knows what can be estimated.

empty_cell <- function() {
  withr::local_seed(12)
  d <- expand.grid(
    a = c("a", "b", "c"),
    b = c("u", "v"),
    g = factor(1:8),
    i = 1:3
  )
  d <- d[!(d$a == "b" & d$b == "v"), ]
  d$y <- as.integer(d$a) + rnorm(8)[d$g] + rnorm(nrow(d))
  d$n <- rpois(nrow(d), exp(1 + 0.3 * rnorm(8)[d$g]))
  d$cell <- factor(paste(d$a, d$b))
  d
}

test_that("predictions for an empty cell are told, or NA; the others are those of the cell means", {
  withr::local_options(cli.unicode = FALSE)
  d <- empty_cell()
  new <- expand.grid(a = c("a", "b", "c"), b = c("u", "v"), g = "3")
  cells <- transform(new, cell = paste(a, b))[-5, ]
  fits <- suppressMessages(list(
    rlmm(y ~ a * b + (1 | g), d),
    rlmm(y ~ 0 + cell + (1 | g), d),
    rglmm(n ~ a * b + (1 | g), d, poisson),
    rglmm(n ~ 0 + cell + (1 | g), d, poisson)
  ))
  for (i in c(1, 3)) {
    expect_warning(
      told <- predict(fits[[i]], new),
      class = "rlmm_warning_inestimable"
    )
    expect_false(anyNA(told))
    expect_silent(
      p <- predict(fits[[i]], new, se.fit = TRUE, rankdeficient = "NA")
    )
    expect_equal(unname(which(is.na(p$fit))), 5)
    expect_equal(unname(which(is.na(p$se.fit))), 5)
    direct <- predict(fits[[i + 1]], cells, se.fit = TRUE)
    expect_equal(unname(p$fit[-5]), unname(direct$fit), tolerance = 1e-5)
    expect_equal(unname(p$se.fit[-5]), unname(direct$se.fit), tolerance = 1e-4)
    expect_silent(predict(fits[[i]], new[-5, ]))
    expect_silent(predict(fits[[i]], new, rankdeficient = "simple"))
    expect_warning(
      simulate(fits[[i]], 1, seed = 1, newdata = new),
      class = "rlmm_warning_inestimable"
    )
  }
  expect_snapshot(writeLines(condition_lines(predict(fits[[1]], new))))
})

test_that("rows of weight zero leave the answers of a fit without them", {
  set.seed(5)
  data <- expand.grid(
    f = factor(c("a", "b", "c")),
    k = factor(c("u", "v")),
    id = factor(1:12),
    r = 1:2
  )
  data$y <- rnorm(144) + as.integer(data$f) + rnorm(12)[data$id]
  data$x <- rnorm(144)
  data$w <- as.double(data$f != "c" | data$k != "v")
  some <- data[data$w > 0, ]
  new <- data[1:6, ]
  for (form in c(y ~ f * k + (1 | id), y ~ k + x * f:k + (1 | id))) {
    quiet <- \(...) suppressMessages(rlmm(form, ...))
    all_rows <- quiet(data, weights = w)
    expected <- quiet(some)
    expect_equal(
      predict(all_rows, new, rankdeficient = "NA"),
      predict(expected, new, rankdeficient = "NA"),
      tolerance = 1e-6
    )
    for (type in 1:3) {
      table <- \(fit) as.matrix(suppressMessages(anova(fit, type = type)))
      expect_equal(table(all_rows), table(expected), tolerance = 1e-5)
    }
  }
  skip_if_not_installed("emmeans")
  means <- \(fit) as.data.frame(emmeans::emmeans(fit, ~ f * k))
  fit <- \(...) suppressMessages(rlmm(y ~ f * k + (1 | id), ...))
  expect_equal(
    means(fit(data, weights = w)),
    means(fit(some)),
    tolerance = 1e-6,
    ignore_attr = TRUE
  )
})

test_that("fits without rows know as well what they say nothing of", {
  withr::local_seed(2)
  d <- empty_cell()
  d$x <- rnorm(nrow(d))
  d$day <- 19000 + d$x
  d$twice <- 2 * d$day
  d$firm <- factor(rep_len(1:8, nrow(d)))
  d$size <- (1:8)[d$firm]^2
  new <- expand.grid(
    a = c("a", "b"),
    b = c("u", "v"),
    day = 19001,
    firm = c("1", "7"),
    off = 0:1
  )
  new$twice <- 2 * new$day + new$off
  new$size <- as.integer(as.character(new$firm))^2 + new$off
  cases <- list(
    list(y ~ a * b + (1 | g), c(4, 8, 12, 16)),
    list(y ~ 0 + a:b + (1 | g), c(4, 8, 12, 16)),
    list(y ~ day + twice + (1 | g), 9:16),
    list(y ~ firm + size + (1 | g), 9:16),
    list(y ~ size + firm + (1 | g), 9:16),
    list(y ~ firm + a * b + day + twice + (1 | g), c(4, 8:16))
  )
  slim <- rlmm_control(slim = TRUE)
  for (case in cases) {
    for (many in c(5, 1000)) {
      withr::local_options(rlmm.large_factor = many)
      suppressMessages({
        of_sums <- rlmm(rlmm_sums(case[[1]], d))
        without_data <- rlmm(case[[1]], d, control = slim)
      })
      for (fit in list(of_sums, without_data)) {
        p <- predict(fit, new, re.form = NA, rankdeficient = "NA")
        expect_identical(unname(which(is.na(p))), as.integer(case[[2]]))
        expect_warning(
          predict(fit, new, re.form = NA),
          class = "rlmm_warning_inestimable"
        )
      }
    }
  }
  counts <- suppressMessages(rglmm(n ~ a * b + (1 | g), d, poisson, slim))
  p <- predict(counts, new, re.form = NA, rankdeficient = "NA")
  expect_identical(unname(which(is.na(p))), c(4L, 8L, 12L, 16L))
})

test_that("dropped coefficients and means of empty cells are known without rows", {
  d <- empty_cell()
  d$x <- as.integer(d$a) + 19000 + sin(seq_len(nrow(d)))
  formula <- y ~ a * b + x + I(2 * x) + (1 | g)
  suppressMessages({
    fit <- rlmm(formula, d)
    of_sums <- rlmm(rlmm_sums(formula, d))
    slim <- rlmm(formula, d, control = rlmm_control(slim = TRUE))
  })
  for (other in list(of_sums, slim)) {
    expect_equal(
      fixef(other, add.dropped = TRUE),
      fixef(fit, add.dropped = TRUE),
      tolerance = 1e-6
    )
  }
  skip_if_not_installed("emmeans")
  means <- \(fit) {
    as.data.frame(emmeans::emmeans(
      fit,
      ~ a | b,
      data = d,
      at = list(x = 19001)
    ))
  }
  expect_identical(which(is.na(means(fit)$emmean)), 5L)
  expect_equal(means(of_sums)$emmean, means(fit)$emmean, tolerance = 1e-6)
})

test_that("emmeans is told of empty cells beside covariates far from zero", {
  skip_if_not_installed("emmeans")
  d <- empty_cell()
  x <- sin(seq_len(nrow(d)))
  for (origin in c(0, 19000, 2.4e6, 1.7e9)) {
    d$day <- origin + x
    fit <- suppressMessages(rlmm(y ~ a * b + day + (1 | g), d))
    means <- as.data.frame(emmeans::emmeans(fit, ~ a | b))
    expect_identical(which(is.na(means$emmean)), 5L)
    grid <- emmeans::emmeans(fit, ~a, at = list(b = "u"))
    differences <- as.data.frame(emmeans::contrast(grid, "pairwise"))
    expect_false(anyNA(differences$estimate))
  }
})
