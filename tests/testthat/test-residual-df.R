# Terms as a spec has them.
z_part <- function(refs, ...) {
  list(
    refs = as.integer(factor(refs)),
    n_levels = length(unique(refs)),
    z = matrix(c(...), length(refs))
  )
}

dense_rank <- function(parts, x) {
  z <- lapply(parts, \(part) as.matrix(rlmm:::sparse_part(part)))
  qr(cbind(x, do.call(cbind, z)), tol = 1e-9)$rank
}

random_factors <- function() {
  set.seed(1)
  n <- 400
  list(
    x = rnorm(n),
    one = rep(1, n),
    f = sample(40, n, TRUE),
    g = sample(60, n, TRUE),
    sparse = sample(300, n, TRUE),
    inner = rep(1:80, each = 5),
    outer = rep(1:80, each = 5) %/% 3
  )
}

# The rank of a matrix of integers modulo a prime number, whose products are exact.
rank_modulo <- function(m, prime = 67108859) {
  m <- m %% prime
  rank <- 0L
  for (j in seq_len(ncol(m))) {
    left <- seq_len(nrow(m)) > rank
    found <- which(left & m[, j] != 0)
    if (length(found) == 0L) {
      next
    }
    rank <- rank + 1L
    m[c(rank, found[1L]), ] <- m[c(found[1L], rank), ]
    for (i in which(seq_len(nrow(m)) > rank & m[, j] != 0)) {
      m[i, ] <- (m[i, ] * m[rank, j] - m[rank, ] * m[i, j]) %% prime
    }
  }
  rank
}

test_that("the rank of crossed and nested terms is that of dense algebra", {
  with(random_factors(), {
    x <- cbind(1, x, outer > 10)
    models <- list(
      list(z_part(f, one), z_part(g, one)),
      list(z_part(f, one, x[, 2]), z_part(g, one, x[, 2])),
      list(z_part(f, one, x[, 2]), z_part(g, one)),
      list(z_part(inner, one), z_part(outer, one), z_part(f, one)),
      list(z_part(inner, one), z_part(outer, one, x[, 2])),
      list(z_part(sparse, one, x[, 2])),
      list(z_part(sparse, one), z_part(rev(sparse), one))
    )
    for (parts in models) {
      expect_equal(rlmm:::rank_by_terms(parts, x), dense_rank(parts, x))
    }
  })
})

test_that("groups of levels that rows join are counted, long chains of them too", {
  chain <- rep(1:20000, each = 2)
  links <- c(1L, head(chain, -1L))
  expect_equal(rlmm:::connected_parts(chain, links), 1)
  order <- sample(20000)
  expect_equal(rlmm:::connected_parts(order[chain], rev(order)[links]), 1)
  broken <- ifelse(seq_along(links) <= 10000, links, links + 20000L)
  expect_equal(rlmm:::connected_parts(order[chain], broken), 2)
  expect_equal(rlmm:::connected_parts(c(1L, 2L, 4L), c(2L, 1L, 2L)), 2)
})

test_that("the rank by the signs of pivots is that of dense algebra", {
  with(random_factors(), {
    parts <- list(
      z_part(sparse, one, x),
      z_part(inner, one, x),
      z_part(outer, one)
    )
    z <- do.call(cbind, lapply(parts, rlmm:::sparse_part))
    z <- z[, Matrix::colSums(abs(z)) > 0]
    unit <- Matrix::Diagonal(x = 1 / sqrt(Matrix::colSums(z^2)))
    products <- Matrix::crossprod(z %*% unit)
    expect_equal(
      rlmm:::count_positive(products, 1e-11),
      dense_rank(parts, NULL)
    )
  })
})

test_that("slopes without intercepts have the same rank at any origin", {
  set.seed(2)
  d <- data.frame(g = gl(10, 20), h = gl(4, 5, 200), x = rnorm(200))
  # x is constant in the cells of two groups.
  is_flat <- d$g %in% 1:2
  d$x[is_flat] <- as.integer(d$h)[is_flat]
  d$y <- rgamma(200, 2)
  df_at <- function(formula, origin, rows = 1:200) {
    d$x <- d$x + origin
    fit <- suppressMessages(rglmm(formula, d[rows, ], Gamma("log")))
    rlmm:::fit_spec(fit)$glmm$shape
  }
  # 40 cells, and slopes of eight groups whose sum is x up to a function of the cells.
  expected <- list(
    list(y ~ x + (0 + x | g) + (1 | g:h), 200 - 40 - 8),
    list(y ~ x + (x || g), 200 - 20),
    list(y ~ 0 + x + (0 + x | g) + (1 | h), 200 - 10 - 4)
  )
  for (model in expected) {
    for (origin in c(0, 1e4, 2e5, 3e6)) {
      expect_equal(df_at(model[[1L]], origin), model[[2L]])
      expect_equal(df_at(model[[1L]], origin, 200:1), model[[2L]])
    }
  }
})

test_that("covariates far from zero differ from combinations of indicators", {
  set.seed(3)
  n <- 40
  d <- data.frame(g = sample(5, n, TRUE), f = sample(3, n, TRUE))
  d$h <- sample(4, n, TRUE)
  d$x <- round(50 * rnorm(n))
  d$z <- round(20 * rnorm(n))
  one <- rep(1, n)
  term <- function(refs, ...) {
    list(refs = refs, n_levels = max(refs), z = list(...))
  }
  # No term has an indicator of each level of g, nor of each cell of f and g.
  terms_at <- function(origin) {
    x <- d$x + origin
    of_f <- outer(d$f, 1:3, `==`) * x
    list(
      list(term(d$h, one), term(d$g, of_f[, 1], of_f[, 2], of_f[, 3])),
      list(term(d$g, as.numeric(d$f == 1)), term(d$g, x, d$z + origin)),
      list(term(d$h, x), term(d$g, x), term(d$f, x))
    )
  }
  fixed <- outer(d$f, 1:3, `==`) + 0
  rank <- function(terms, rows) {
    rlmm:::rank_of_model(list(x = list(fixed), terms = terms), rows)
  }
  for (rows in list(rep(TRUE, n), rep(c(TRUE, TRUE, FALSE, TRUE), 10))) {
    for (origin in c(1e5, 1e7, 1e9)) {
      for (terms in terms_at(origin)) {
        # Reduction modulo a prime number is exact for integers.
        z <- do.call(
          cbind,
          lapply(terms, \(term) {
            level <- outer(term$refs, seq_len(term$n_levels), `==`)
            do.call(cbind, lapply(term$z, \(column) level * column))
          })
        )
        exact <- rank_modulo(cbind(fixed, z)[rows, ])
        expect_equal(rank(terms, rows), exact)
      }
    }
  }
})

test_that("the two ways to the rank of a model agree", {
  with(random_factors(), {
    parts <- list(z_part(f, one, x), z_part(g, one))
    spec <- list(x = list(cbind(1, x)), terms = parts)
    spec$terms <- lapply(parts, \(part) {
      replace(part, "z", list(list(part$z)))
    })
    all_rows <- rep(TRUE, 400)
    by_pivots <- rlmm:::rank_of_model(spec, all_rows)
    expect_equal(rlmm:::count_crossed(parts), 60)
    skip_if_not_installed("testthat", "3.1.7")
    mocked <- getExportedValue("testthat", "local_mocked_bindings")
    mocked(max_crossed_columns = 59, .package = "rlmm")
    expect_equal(rlmm:::rank_of_model(spec, all_rows), by_pivots)
  })
})

test_that("the rank doesn't depend on the origin of a covariate, nor on the order of rows", {
  d <- with(random_factors(), {
    data.frame(x = x, f = factor(outer %% 3), g = factor(inner))
  })
  d$y <- exp(d$x / 4) * rep(1:4, 100)
  at <- function(origin, rows = 1:400, contrasts = "contr.treatment") {
    d$x <- d$x + origin
    fit <- suppressMessages(rglmm(
      y ~ x * f + I((x - origin)^2):f + (1 | g),
      d[rows, ],
      Gamma("log"),
      contrasts = list(f = contrasts)
    ))
    rlmm:::fit_spec(fit)$glmm$shape
  }
  near <- at(0)
  # 80 groups, and nine columns of X of which three (the intercept, f) are constant within them.
  expect_equal(near, 400 - 80 - 6)
  for (origin in c(1e3, 1e5, 1e6)) {
    expect_equal(at(origin), near)
    expect_equal(at(origin, 400:1), near)
    expect_equal(at(origin, contrasts = "contr.sum"), near)
  }
})

test_that("a row that counts for several has the dispersion of as many rows", {
  set.seed(3)
  d <- data.frame(g = gl(15, 8), x = rnorm(120))
  d$y <- rgamma(120, 3, 3 / exp(1 + 0.3 * d$x + rnorm(15, sd = 0.5)[d$g]))
  d$w <- sample(1:4, 120, TRUE)
  rows <- d[rep(1:120, d$w), ]
  # Log-likelihood and sigma of lme4 2.1, whose iteration for phi ends after 1e-3.
  lme4 <- list(
    Gamma = c(-547.9965, 0.5886238),
    inverse.gaussian = c(-648.395, 0.5548697)
  )
  for (name in names(lme4)) {
    family <- get(name)("log")
    weighted <- rglmm(y ~ x + (1 | g), d, family, weights = w)
    repeated <- rglmm(y ~ x + (1 | g), rows, family)
    expect_equal(c(logLik(weighted)), c(logLik(repeated)), tolerance = 1e-8)
    expect_equal(sigma(weighted), sigma(repeated), tolerance = 1e-5)
    expect_equal(fixef(weighted), fixef(repeated), tolerance = 1e-4)
    expect_equal(vcov(weighted), vcov(repeated), tolerance = 1e-4)
    expect_lt(abs(c(logLik(weighted)) - lme4[[name]][1]), 1e-3)
    expect_equal(sigma(weighted), lme4[[name]][2], tolerance = 1e-4)
  }
  # Precisions have no scale.
  precise <- lapply(c(1, 10), \(k) {
    rglmm(
      y ~ x + (1 | g),
      transform(d, w = k * w),
      gaussian("log"),
      weights = w
    )
  })
  expect_equal(
    c(logLik(precise[[2]])),
    c(logLik(precise[[1]])),
    tolerance = 1e-8
  )
  expect_equal(
    sigma(precise[[2]])^2,
    10 * sigma(precise[[1]])^2,
    tolerance = 1e-5
  )
  few <- transform(d, w = w / 100)
  expect_error(
    rglmm(y ~ x + (1 | g), few, Gamma("log"), weights = w),
    "as the weights say that there are observations",
    class = "rlmm_error_dispersion"
  )
})

test_that("the origin of a covariate in an interaction makes no difference", {
  set.seed(3)
  d <- data.frame(g = gl(4, 12), c = rnorm(48), z = rnorm(48))
  effects <- matrix(rnorm(16, sd = 0.4), 4)[d$g, ]
  eta <- rowSums(effects * cbind(1, d$c, d$z, d$c * d$z))
  d$y <- rgamma(48, 4, 4 / exp(0.5 * d$c + eta))
  for (term in c("(x * z | g)", "(z + x:z | g)")) {
    formula <- as.formula(paste("y ~ x +", term))
    fit <- \(origin) {
      d$x <- d$c + origin
      suppressMessages(rglmm(formula, d, Gamma("log")))
    }
    near <- fit(0)
    for (origin in c(3e4, 1e5, 1e6)) {
      far <- fit(origin)
      expect_equal(far$glmm$shape, near$glmm$shape, tolerance = 1e-12)
      if (term == "(x * z | g)") {
        expect_equal(logLik(far), logLik(near), tolerance = 1e-6)
      }
    }
  }
})
