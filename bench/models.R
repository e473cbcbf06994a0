# The models of the headline table: some of the registry, two whose unstructured terms are large,
# and large data.

bench_models <- function(slow = FALSE) {
  from_registry <- c(
    Dyestuff = "dyestuff",
    sleepstudy = "sleep",
    Penicillin = "penicillin",
    Pastes = "pastes",
    ScotsSec = "scots",
    Chem97 = "chem97",
    "InstEval, 2 terms" = "insteval",
    "InstEval, 3 terms" = "insteval_dept"
  )
  models <- lmm_models[from_registry]
  names(models) <- names(from_registry)
  models[["sleepstudy, factor(Days)"]] <- factor_days
  models[["nested, 20,000 in 1,000"]] <- large_nested()
  models[["crossed, 5,000 x 800"]] <- large_crossed()
  if (slow) {
    models[["slopes, 10,000 groups"]] <- large_slopes()
    models[["crossed, 8 x 8 + 8 x 8"]] <- maximal_crossed()
  }
  models
}

bench_glmms <- function(slow = FALSE) {
  from_registry <- c(
    cbpp = "cbpp",
    "cbpp, nAGQ = 9" = "cbpp_nodes9",
    Contraception = "contraception",
    "Contraception, nAGQ = 9" = "contraception_nodes",
    "Contraception, slopes" = "contraception_urban",
    epilepsy = "epil_observations",
    grouseticks = "ticks",
    VerbAgg = "verbal",
    "VerbAgg, nAGQ = 0" = "verbal_fast"
  )
  models <- glmm_models[from_registry]
  names(models) <- names(from_registry)
  if (slow) {
    models[["logistic, 5,000 x 500"]] <- large_logistic()
  }
  models
}

# Half a million answers of 5,000 persons to 500 items. lme4 is given the fast fit: the full one
# takes it hours.
large_logistic <- function(nAGQ = 0) {
  model <- lmm(
    y ~ x1 + x2 + f + (1 | a) + (1 | b),
    "bench::logistic",
    family = binomial
  )
  set.seed(1)
  n <- 5e5
  d <- data.frame(
    a = factor(sample(5000, n, TRUE)),
    b = factor(sample(500, n, TRUE)),
    x1 = rnorm(n),
    x2 = rnorm(n),
    f = gl(3, 1, n)
  )
  eta <- -0.5 +
    0.5 * d$x1 -
    0.3 * d$x2 +
    0.2 * (d$f == "2") +
    rnorm(5000, sd = 0.8)[d$a] +
    rnorm(500, sd = 0.5)[d$b]
  d$y <- rbinom(n, 1, plogis(eta))
  model$args$nAGQ <- nAGQ
  model$frame <- d
  model
}

# lmer() and rlmm() both take a list for `control`.
factor_days <- lmm(
  Reaction ~ factor(Days) + (factor(Days) | Subject),
  "rlmm::sleepstudy",
  REML = FALSE,
  control = list(check.nobs.vs.nRE = "ignore")
)

# The shape of a psycholinguistic experiment: 56 subjects, 32 items, three crossed factors of two
# levels, all their effects and interactions random for subjects and for items. Simulated, always
# the same.
maximal_crossed <- function() {
  model <- lmm(
    rt ~ a * b * c + (a * b * c | subject) + (a * b * c | item),
    "bench::crossed",
    REML = FALSE
  )
  model$frame <- simulate_crossed()
  model
}

simulate_crossed <- function() {
  set.seed(1)
  data <- expand.grid(subject = factor(1:56), item = factor(1:32))
  cell <- (as.integer(data$subject) + as.integer(data$item)) %% 8
  data[c("a", "b", "c")] <- lapply(c(1, 2, 4), function(bit) {
    ifelse(bitwAnd(cell, bit) > 0, 0.5, -0.5)
  })
  x <- model.matrix(~ a * b * c, data)
  effects <- function(levels, sd) {
    matrix(rnorm(levels * 8, sd = sd), levels, byrow = TRUE)
  }
  by_subject <- effects(56, c(300, 120, 100, 80, 80, 60, 60, 60))
  by_item <- effects(32, c(350, 100, 60, 60, 50, 40, 40, 40))
  random <- rowSums(x * by_subject[data$subject, ]) +
    rowSums(x * by_item[data$item, ])
  data$rt <- 2200 +
    150 * data$a -
    80 * data$b +
    random +
    rnorm(nrow(data), sd = 650)
  data
}

# Large data, simulated, always the same -------------------------------------------------------

# 200,000 rows, 20,000 small groups in 1,000 larger ones.
large_nested <- function() {
  model <- lmm(y ~ x + (1 | a / b), "bench::nested")
  set.seed(2)
  b <- rep_len(seq_len(20000), 2e5)
  a <- (b - 1L) %% 1000L + 1L
  y <- rnorm(1000)[a] + rnorm(20000)[b] + rnorm(2e5)
  model$frame <- data.frame(y, x = rnorm(2e5), a = factor(a), b = factor(b))
  model
}

# 200,000 rows, 5,000 x 800 levels of crossed factors.
large_crossed <- function() {
  model <- lmm(y ~ x + (1 | s) + (1 | d), "bench::large_crossed")
  set.seed(3)
  s <- sample.int(5000, 2e5, TRUE)
  d <- sample.int(800, 2e5, TRUE)
  y <- rnorm(5000)[s] + rnorm(800)[d] + rnorm(2e5)
  model$frame <- data.frame(y, x = rnorm(2e5), s = factor(s), d = factor(d))
  model
}

# A million rows, 10,000 groups with intercepts and slopes.
large_slopes <- function() {
  model <- lmm(y ~ x1 + x2 + (1 + x1 | g), "bench::slopes")
  model$frame <- simulate_slopes()
  model
}

simulate_slopes <- function() {
  set.seed(1)
  n <- 1e6
  g <- sample.int(10000, n, TRUE)
  b <- matrix(rnorm(20000), 10000)
  x1 <- rnorm(n)
  x2 <- rnorm(n)
  y <- 1 + x1 + 0.5 * x2 + b[g, 1] + 0.5 * b[g, 2] * x1 + rnorm(n)
  data.frame(y, x1, x2, g = factor(g))
}
