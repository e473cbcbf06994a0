# The units of the response: y * k has the same estimates in its units.

# R's families don't let each other's links through.
with_link <- function(family, link) {
  out <- family("log")
  parts <- c("linkfun", "linkinv", "mu.eta")
  out[parts] <- unclass(stats::make.link(link))[parts]
  out$link <- link
  out
}

# mu as a function of the linear predictor, which is that mean to this power.
link_powers <- c(
  log = NA,
  sqrt = 0.5,
  inverse = -1,
  "1/mu^2" = -2,
  identity = 1
)
mean_of <- function(link, eta) {
  if (link == "log") exp(0.5 + eta) else (1.5 + eta)^(1 / link_powers[[link]])
}

units_data <- function(family, link) {
  set.seed(17)
  d <- data.frame(g = gl(12, 15), x = runif(180))
  mu <- mean_of(link, 0.2 * d$x + rnorm(12, sd = 0.15)[d$g])
  d$y <- switch(
    family,
    gaussian = abs(mu + rnorm(180, sd = 0.1)),
    Gamma = rgamma(180, 20, 20 / mu),
    inverse.gaussian = mu * exp(rnorm(180, sd = 0.2))
  )
  d
}

expect_equivariant <- function(family, link, dispersion, k) {
  d <- units_data(family, link)
  fit <- function(d) {
    of <- with_link(get(family), link)
    suppressMessages(rglmm(y ~ x + (1 | g), d, of, dispersion = dispersion))
  }
  base <- fit(d)
  found <- fit(transform(d, y = y * k))
  beta <- if (link == "log") {
    fixef(base) + c(log(k), 0)
  } else {
    fixef(base) * k^link_powers[[link]]
  }
  unit <- switch(
    family,
    gaussian = k,
    Gamma = 1,
    inverse.gaussian = 1 / sqrt(k)
  )
  label <- paste(family, link, dispersion, k)
  expect_equal(
    fixef(found) / beta,
    beta / beta,
    tolerance = 1e-5,
    label = label
  )
  expect_equal(
    sigma(found) / unit,
    sigma(base),
    tolerance = 1e-5,
    label = label
  )
  expect_equal(
    as.numeric(logLik(found)) + 180 * log(k),
    as.numeric(logLik(base)),
    tolerance = 1e-7,
    label = label
  )
}

test_that("estimates are those of any units of the response", {
  for (family in c("gaussian", "Gamma", "inverse.gaussian")) {
    for (link in names(link_powers)) {
      if (family == "gaussian" && link == "identity") {
        next
      }
      for (k in c(1e-8, 1e8)) {
        expect_equivariant(family, link, "estimated", k)
        expect_equivariant(family, link, "profiled", k)
      }
    }
  }
})

test_that("whether a fit is singular doesn't depend on the units of the response", {
  links <- list(sqrt = 1e-8, identity = 1e-8, inverse = 1e8, "1/mu^2" = 1e4)
  for (link in names(links)) {
    d <- units_data("Gamma", link)
    fit <- function(k) {
      d$y <- d$y * k
      suppressMessages(rglmm(y ~ x + (1 | g), d, with_link(Gamma, link)))
    }
    expect_false(isSingular(fit(1)), label = link)
    expect_false(isSingular(fit(links[[link]])), label = link)
    expect_false(any(is_singular(fit(links[[link]]))$singular))
  }
  d <- units_data("gaussian", "log")
  d$y <- rep(c(1, 1.2, 0.9), 60) * exp(d$x)
  for (k in c(1, 1e6)) {
    none <- suppressMessages(rglmm(k * y ~ x + (1 | g), d, gaussian("log")))
    expect_true(isSingular(none))
  }
})

test_that("a very skewed gamma distribution is fitted", {
  # glmmTMB 1.1.14: log-likelihood and fixed effects
  known <- list(
    list(0.3, 33, -367.4360122419, c(0.9525659692, 0.5911455945)),
    list(0.15, 104, 429.6234308929, c(1.0935907792, 0.5175924519)),
    list(0.1, 102, 943.8888487059, c(1.1973224867, 0.5889491608)),
    list(0.05, 101, 3913.5514281063, c(0.7861588140, 0.5841158823))
  )
  set.seed(2)
  d <- data.frame(unit = gl(20, 15), x = rnorm(300))
  for (case in known) {
    shape <- case[[1]]
    set.seed(case[[2]])
    mu <- exp(1 + 0.5 * d$x + rnorm(20, sd = 0.5)[d$unit])
    d$y <- pmax(rgamma(300, shape = shape, rate = shape / mu), 1e-300)
    fit <- suppressMessages(rglmm(
      y ~ x + (1 | unit),
      d,
      Gamma("log"),
      dispersion = "estimated",
      information = "observed"
    ))
    expect_equal(as.numeric(logLik(fit)), case[[3]], tolerance = 1e-6)
    expect_equal(unname(fixef(fit)), case[[4]], tolerance = 1e-3)
    default <- suppressMessages(rglmm(y ~ x + (1 | unit), d, Gamma("log")))
    expect_true(all(is.finite(fixef(default))))
  }
})

test_that("a search that can't evaluate its objective everywhere tells of its progress", {
  log <- matrix(c(NaN, 5, 4, NaN, rep(3, 8)))
  expect_match(recent_progress(log, 3L), "did not fall")
  expect_match(recent_progress(matrix(c(9:1, NaN)), 3L), "fell by 3")
})
