# The registry of generalized models, shared by the tests, data-raw/reference-glmer.R and bench/: as
# the linear one in helper-models.R, with `family` among the arguments. Data sets "sim::name" are
# simulated below.

glmm_models <- list(
  # Binomial: one scalar term --------------------------------------------------
  cbpp = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial
  ),
  cbpp_shares = lmm(
    incidence / size ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial,
    weights = size
  ),
  cbpp_probit = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial("probit")
  ),
  cbpp_cloglog = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial("cloglog")
  ),
  cbpp_cauchit = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial("cauchit")
  ),
  cbpp_fast = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial,
    nAGQ = 0
  ),
  cbpp_nodes9 = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial,
    nAGQ = 9
  ),
  cbpp_probit_nodes25 = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    "rlmm::cbpp",
    family = binomial("probit"),
    nAGQ = 25
  ),
  cbpp_no_fixed = lmm(
    cbind(incidence, size - incidence) ~ 0 + (1 | herd),
    "rlmm::cbpp",
    family = binomial
  ),
  bacteria = lmm(
    y ~ trt + I(week > 2) + (1 | ID),
    "MASS::bacteria",
    family = binomial
  ),
  bacteria_nodes = lmm(
    y ~ trt + I(week > 2) + (1 | ID),
    "MASS::bacteria",
    family = binomial,
    nAGQ = 15
  ),
  snails = lmm(
    cbind(Deaths, N - Deaths) ~ Species +
      Exposure +
      Temp +
      Rel.Hum +
      (1 | Species:Exposure),
    "MASS::snails",
    family = binomial
  ),
  infert = lmm(
    case ~ spontaneous + induced + (1 | stratum),
    "datasets::infert",
    family = binomial
  ),
  esoph = lmm(
    cbind(ncases, ncontrols) ~ tobgp + (1 | agegp),
    "datasets::esoph",
    family = binomial("cloglog")
  ),
  contraception = lmm(
    use ~ age + I(age^2) + livch + urban + (1 | district),
    "rlmm::Contraception",
    family = binomial
  ),
  contraception_fast = lmm(
    use ~ age + I(age^2) + livch + urban + (1 | district),
    "rlmm::Contraception",
    family = binomial,
    nAGQ = 0
  ),
  contraception_nodes = lmm(
    use ~ age + I(age^2) + livch + urban + (1 | district),
    "rlmm::Contraception",
    family = binomial,
    nAGQ = 9
  ),
  contraception_aliased = lmm(
    use ~ age + I(2 * age) + urban + (1 | district),
    "rlmm::Contraception",
    family = binomial
  ),
  toenail = lmm(
    outcome ~ treatment * visit + (1 | patientID),
    "lme4::toenail",
    family = binomial,
    nAGQ = 20
  ),

  # Binomial: slopes and several terms ----------------------------------------
  contraception_urban = lmm(
    use ~ age + I(age^2) + livch + urban + (urban | district),
    "rlmm::Contraception",
    family = binomial
  ),
  contraception_bars = lmm(
    use ~ age + I(age^2) + urban + (age || district),
    "rlmm::Contraception",
    family = binomial
  ),
  contraception_nested = lmm(
    use ~ age +
      I(age^2) +
      livch +
      urban +
      (1 | district:urban) +
      (1 | district),
    "rlmm::Contraception",
    family = binomial
  ),
  contraception_groups = lmm(
    use ~ age + diag(0 + urban | district),
    "rlmm::Contraception",
    family = binomial("probit"),
    lme4 = use ~ age +
      (0 + dummy(urban, "N") | district) +
      (0 + dummy(urban, "Y") | district)
  ),
  cbpp_observations = lmm(
    cbind(incidence, size - incidence) ~ period + (1 | obs) + (1 | herd),
    "rlmm::cbpp",
    family = binomial,
    derived = alist(obs = factor(seq_along(herd)))
  ),
  salamander = lmm(
    Mate ~ Cross + (1 | Male) + (1 | Female),
    "lme4::salamander",
    family = binomial
  ),
  verbal = lmm(
    r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item),
    "rlmm::VerbAgg",
    family = binomial,
    large = TRUE
  ),
  verbal_fast = lmm(
    r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item),
    "rlmm::VerbAgg",
    family = binomial,
    nAGQ = 0,
    large = TRUE
  ),
  verbal_mode = lmm(
    r2 ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item),
    "rlmm::VerbAgg",
    family = binomial,
    large = TRUE
  ),
  verbal_slopes = lmm(
    r2 ~ mode + Gender + (mode | id) + (Gender | item),
    "rlmm::VerbAgg",
    family = binomial,
    subset = btype == "curse",
    large = TRUE
  ),
  sim_probit = lmm(
    cbind(probit, size - probit) ~ x + f + (1 | g) + (1 | h),
    "sim::trials",
    family = binomial("probit")
  ),
  sim_cloglog = lmm(
    cbind(cloglog, size - cloglog) ~ x + f + (x | g),
    "sim::trials",
    family = binomial("cloglog")
  ),
  sim_cauchit = lmm(
    cbind(cauchit, size - cauchit) ~ x + (1 | g) + (1 | h),
    "sim::trials",
    family = binomial("cauchit")
  ),
  sim_log = lmm(
    cbind(log, size - log) ~ x + (1 | g),
    "sim::trials",
    family = binomial("log")
  ),
  sim_offset = lmm(
    cbind(logit, size - logit) ~ x + offset(time / 4) + (x || g) + (1 | h),
    "sim::trials",
    family = binomial
  ),
  sim_three_effects = lmm(
    logit / size ~ x + f + (1 + x + time | g),
    "sim::trials",
    family = binomial,
    weights = size
  ),

  # Poisson -------------------------------------------------------------------
  epil = lmm(
    y ~ log(base / 4) * trt + V4 + (1 | subject),
    "MASS::epil",
    family = poisson
  ),
  epil_nodes = lmm(
    y ~ log(base / 4) * trt + V4 + (1 | subject),
    "MASS::epil",
    family = poisson,
    nAGQ = 11
  ),
  epil_period = lmm(
    y ~ log(base / 4) * trt + (I(period - 2.5) | subject),
    "MASS::epil",
    family = poisson
  ),
  epil_observations = lmm(
    y ~ log(base / 4) * trt + V4 + (1 | obs) + (1 | subject),
    "MASS::epil",
    family = poisson,
    derived = alist(obs = factor(seq_along(y)))
  ),
  epil_fast = lmm(
    y ~ log(base / 4) * trt + V4 + (1 | subject),
    "MASS::epil",
    family = poisson,
    nAGQ = 0
  ),
  epil_sqrt = lmm(
    y ~ log(base / 4) + trt + (1 | subject),
    "MASS::epil",
    family = poisson("sqrt")
  ),
  ticks = lmm(
    TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION),
    "rlmm::grouseticks",
    family = poisson,
    large = TRUE
  ),
  ticks_location = lmm(
    TICKS ~ YEAR + (1 | LOCATION),
    "rlmm::grouseticks",
    family = poisson,
    nAGQ = 9
  ),
  melanoma = lmm(
    deaths ~ uvb + offset(log(expected)) + (1 | region) + (1 | nation),
    "mlmRev::Mmmec",
    family = poisson
  ),
  melanoma_slopes = lmm(
    deaths ~ uvb + (1 | region) + (uvb | nation),
    "mlmRev::Mmmec",
    family = poisson,
    offset = log(expected)
  ),
  sprays = lmm(
    count ~ 1 + (1 | spray),
    "datasets::InsectSprays",
    family = poisson
  ),
  quine = lmm(
    Days ~ Sex * Lrn + (1 | Age) + (1 | Eth),
    "MASS::quine",
    family = poisson
  ),
  gophers = lmm(
    shells ~ prev + offset(log(Area)) + (1 | Site),
    "lme4::gopherdat2",
    family = poisson
  ),
  fruits = lmm(
    total.fruits ~ nutrient * amd + rack + status + (1 | popu) + (1 | gen),
    "lme4::Arabidopsis",
    family = poisson,
    large = TRUE
  ),
  sim_poisson_sqrt = lmm(
    sqrt ~ x + f + (1 | g) + (1 | h),
    "sim::counts",
    family = poisson("sqrt")
  ),
  sim_poisson_identity = lmm(
    identity ~ x + (1 | g),
    "sim::counts",
    family = poisson("identity")
  ),
  sim_poisson_weights = lmm(
    log ~ x + f + (x | g) + (1 | h),
    "sim::counts",
    family = poisson,
    weights = size / 4
  ),
  sim_poisson_singular = lmm(
    noise ~ x + (x | g) + (1 | h),
    "sim::counts",
    family = poisson
  ),

  # Negative binomial with known theta ----------------------------------------
  quine_nb = lmm(
    Days ~ Sex * Lrn + (1 | Age) + (1 | Eth),
    "MASS::quine",
    family = MASS::negative.binomial(1.6)
  ),
  epil_nb = lmm(
    y ~ log(base / 4) * trt + V4 + (1 | subject),
    "MASS::epil",
    family = MASS::negative.binomial(7)
  ),
  sim_nb = lmm(
    nb ~ x + f + (x | g),
    "sim::counts",
    family = MASS::negative.binomial(2)
  ),
  sim_nb_sqrt = lmm(
    nb_sqrt ~ x + (1 | g) + (1 | h),
    "sim::counts",
    family = MASS::negative.binomial(3, link = "sqrt")
  ),

  # Families with a dispersion ------------------------------------------------
  teeth_gamma = lmm(
    distance ~ age + Sex + (1 | Subject),
    "nlme::Orthodont",
    family = Gamma("log")
  ),
  sim_gamma_log = lmm(
    gamma_log ~ x + f + (1 | g) + (1 | h),
    "sim::positive",
    family = Gamma("log")
  ),
  sim_gamma_slopes = lmm(
    gamma_log ~ x + f + (x | g),
    "sim::positive",
    family = Gamma("log")
  ),
  sim_gamma_inverse = lmm(
    gamma_inverse ~ x + (1 | g),
    "sim::positive",
    family = Gamma
  ),
  sim_gamma_identity = lmm(
    gamma_identity ~ x + (1 | g),
    "sim::positive",
    family = Gamma("identity")
  ),
  sim_inverse_gaussian = lmm(
    wald_log ~ x + (1 | g),
    "sim::positive",
    family = inverse.gaussian("log")
  ),
  sim_inverse_square = lmm(
    wald_square ~ x + (1 | g),
    "sim::positive",
    family = inverse.gaussian
  ),
  sim_gaussian_log = lmm(
    gauss_log ~ x + f + (1 | g),
    "sim::positive",
    family = gaussian("log")
  ),
  sim_gaussian_inverse = lmm(
    gauss_inverse ~ x + (1 | g),
    "sim::positive",
    family = gaussian("inverse")
  )
)

# The data frame of a generalized model, or NULL where it can't be had.
glmm_frame <- function(model) {
  if (model$package == "sim") {
    return(simulated_glmm(model$data))
  }
  data <- lmm_data(model)
  # A count that later versions of MASS have mended.
  if (model$data == "epil" && !is.null(data)) {
    data$y[31] <- 23
  }
  data
}

# Simulated data --------------------------------------------------------------

# Two crossed factors, a covariate with random slopes, a factor; each response's linear predictor
# has its own centre and spread, so that it stays in the domain of its link.
simulated_glmm <- function(name) {
  set.seed(20)
  n <- 360
  d <- data.frame(
    g = gl(30, 12),
    h = factor(rep(1:15, 24)),
    x = round(runif(n, -1, 1), 3),
    f = gl(3, 1, n, labels = c("a", "b", "c")),
    size = 1 + rpois(n, 4),
    time = round(runif(n, 0.5, 3), 2)
  )
  random <- rnorm(30, sd = 0.6)[d$g] +
    rnorm(15, sd = 0.4)[d$h] +
    rnorm(30, sd = 0.3)[d$g] * d$x
  eta <- function(centre, spread) {
    centre + spread * (0.8 * d$x + 0.3 * (d$f == "b") + random)
  }
  cbind(
    d,
    switch(
      name,
      trials = simulated_trials(eta, d$size),
      counts = simulated_counts(eta),
      positive = simulated_positive(eta)
    )
  )
}

simulated_trials <- function(eta, size) {
  draw <- function(mu) rbinom(length(size), size, mu)
  data.frame(
    logit = draw(plogis(eta(0.2, 1))),
    probit = draw(pnorm(eta(0.1, 0.7))),
    cloglog = draw(-expm1(-exp(eta(-0.5, 0.7)))),
    cauchit = draw(pcauchy(eta(0.1, 0.8))),
    log = draw(exp(pmin(eta(-1.5, 0.25), -0.3)))
  )
}

simulated_counts <- function(eta) {
  data.frame(
    log = rpois(360, exp(eta(0.7, 0.8))),
    sqrt = rpois(360, eta(2.5, 0.5)^2),
    identity = rpois(360, eta(6, 0.7)),
    noise = rpois(360, 4),
    nb = rnbinom(360, size = 2, mu = exp(eta(1, 0.8))),
    nb_sqrt = rnbinom(360, size = 3, mu = eta(2.5, 0.4)^2)
  )
}

simulated_positive <- function(eta) {
  gamma <- function(mu, phi) rgamma(360, shape = 1 / phi, scale = mu * phi)
  # Michael, Schucany and Haas
  wald <- function(mu, phi) {
    v <- mu * phi * rnorm(360)^2
    x <- mu * (1 + (v - sqrt(v * (4 + v))) / 2)
    ifelse(runif(360) <= mu / (mu + x), x, mu^2 / x)
  }
  data.frame(
    gamma_log = gamma(exp(eta(0.8, 0.6)), 0.3),
    gamma_inverse = gamma(1 / eta(0.8, 0.12), 0.2),
    gamma_identity = gamma(eta(5, 0.6), 0.05),
    wald_log = wald(exp(eta(0.8, 0.5)), 0.1),
    wald_square = wald(1 / sqrt(eta(0.6, 0.08)), 0.1),
    gauss_log = exp(eta(1, 0.4)) + rnorm(360, sd = 0.4),
    gauss_inverse = 1 / eta(0.8, 0.08) + rnorm(360, sd = 0.15)
  )
}
