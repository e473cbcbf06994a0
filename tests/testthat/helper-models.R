# THE registry: linear mixed models by name, shared by the tests, data-raw/reference.R, bench/ and
# the vignette that compares with lme4. A model is a formula, a data set "package::name" and the
# arguments of lmer(); where lme4 needs another spelling of the same model, `lme4` holds it and
# `derived` the columns it refers to. `large` marks those that are timed and referenced but too slow
# for the everyday tests.

lmm <- function(
  formula,
  data,
  ...,
  lme4 = formula,
  derived = NULL,
  large = FALSE
) {
  source <- strsplit(data, "::", fixed = TRUE)[[1]]
  list(
    formula = formula,
    package = source[1],
    data = source[2],
    args = as.list(substitute(list(...)))[-1],
    lme4 = lme4,
    derived = derived,
    large = large
  )
}

lmm_models <- list(
  # One scalar term ------------------------------------------------------------
  dyestuff = lmm(Yield ~ 1 + (1 | Batch), "rlmm::Dyestuff"),
  dyestuff_ml = lmm(Yield ~ 1 + (1 | Batch), "rlmm::Dyestuff", REML = FALSE),
  dyestuff2 = lmm(Yield ~ 1 + (1 | Batch), "rlmm::Dyestuff2"),
  dyestuff2_ml = lmm(Yield ~ 1 + (1 | Batch), "rlmm::Dyestuff2", REML = FALSE),
  sleep_intercept = lmm(Reaction ~ Days + (1 | Subject), "rlmm::sleepstudy"),
  sleep_slope = lmm(Reaction ~ Days + (0 + Days | Subject), "rlmm::sleepstudy"),
  rail = lmm(travel ~ 1 + (1 | Rail), "nlme::Rail"),
  ergo_stool = lmm(effort ~ Type + (1 | Subject), "nlme::ergoStool"),
  ergo_stool_sum = lmm(
    effort ~ Type + (1 | Subject),
    "nlme::ergoStool",
    contrasts = list(Type = "contr.sum"),
    REML = FALSE
  ),
  gasoline = lmm(yield ~ endpoint + vapor + (1 | Sample), "nlme::Gasoline"),
  petrol = lmm(Y ~ SG + VP + V10 + EP + (1 | No), "MASS::petrol", REML = FALSE),
  pup_weight = lmm(
    weight ~ sex * Treatment + Lsize + (1 | Litter),
    "nlme::RatPupWeight"
  ),
  wheat_blocks = lmm(yield ~ variety + (1 | Block), "nlme::Wheat2"),
  wheat_trays = lmm(
    DryMatter ~ Moisture * fertilizer + (1 | Tray),
    "nlme::Wheat"
  ),
  muscle = lmm(length ~ splines::ns(conc, 3) + (1 | Strip), "nlme::Muscle"),
  ovary = lmm(
    follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time) + (1 | Mare),
    "nlme::Ovary"
  ),
  earthquake = lmm(
    log(accel) ~ log(distance) + Richter + soil + (1 | Quake),
    "nlme::Earthquake"
  ),
  meat = lmm(score ~ Storage + (1 | Block), "nlme::Meat"),
  npk = lmm(yield ~ N * P * K + (1 | block), "datasets::npk"),
  paired_sleep = lmm(extra ~ group + (1 | ID), "datasets::sleep"),
  carbon = lmm(
    uptake ~ log(conc) * Type * Treatment + (1 | Plant),
    "datasets::CO2"
  ),
  genotype = lmm(Wt ~ Mother + (1 | Litter), "MASS::genotype"),
  rabbit = lmm(BPchange ~ log(Dose) * Treatment + (1 | Animal), "MASS::Rabbit"),
  nl_schools = lmm(lang ~ IQ + SES + COMB + (1 | class), "MASS::nlschools"),
  gcse_written = lmm(
    written ~ gender + course + (1 | school),
    "mlmRev::Gcsemv"
  ),

  # Vector-valued terms -------------------------------------------------------
  sleep = lmm(Reaction ~ Days + (Days | Subject), "rlmm::sleepstudy"),
  sleep_ml = lmm(
    Reaction ~ 1 + Days + (1 + Days | Subject),
    "rlmm::sleepstudy",
    REML = FALSE
  ),
  sleep_subset = lmm(
    Reaction ~ Days + (Days | Subject),
    "rlmm::sleepstudy",
    subset = Days >= 2
  ),
  sleep_centered = lmm(
    Reaction ~ I(Days - 4.5) + (I(Days - 4.5) | Subject),
    "rlmm::sleepstudy"
  ),
  sleep_poly = lmm(
    Reaction ~ poly(Days, 2) + (poly(Days, 2) | Subject),
    "rlmm::sleepstudy"
  ),
  sleep_ns = lmm(
    Reaction ~ splines::ns(Days, 3) + (Days | Subject),
    "rlmm::sleepstudy",
    REML = FALSE
  ),
  ox_boys = lmm(
    height ~ age + I(age^2) + (age + I(age^2) | Subject),
    "nlme::Oxboys"
  ),
  ox_boys_line = lmm(
    height ~ age + (age | Subject),
    "nlme::Oxboys",
    REML = FALSE
  ),
  orthodont = lmm(distance ~ age * Sex + (age | Subject), "nlme::Orthodont"),
  machines_workers = lmm(
    score ~ Machine + (0 + Machine | Worker),
    "nlme::Machines"
  ),
  body_weight = lmm(weight ~ Time * Diet + (Time | Rat), "nlme::BodyWeight"),
  insulin = lmm(conc ~ age + (age | Lot), "nlme::IGF"),
  spruce = lmm(logSize ~ poly(days, 3) + plot + (days | Tree), "nlme::Spruce"),
  chicks = lmm(weight ~ Time * Diet + (Time | Chick), "datasets::ChickWeight"),
  loblolly = lmm(height ~ log(age) + (log(age) | Seed), "datasets::Loblolly"),
  dialyzer = lmm(
    rate ~ poly(pressure, 4) * QB + (poly(pressure, 2) | Subject),
    "nlme::Dialyzer",
    REML = FALSE
  ),
  math_school = lmm(
    MathAch ~ SES * MEANSES + (SES | School),
    "nlme::MathAchieve"
  ),
  language = lmm(
    langPOST ~ IQ.ver.cen + avg.IQ.ver.cen + (IQ.ver.cen | schoolNR),
    "nlme::bdf"
  ),
  exam = lmm(
    normexam ~ standLRT + sex + schgend + (standLRT | school),
    "mlmRev::Exam"
  ),
  hsb = lmm(
    mAch ~ meanses * cses + sector * cses + (cses | school),
    "mlmRev::Hsb82"
  ),
  early = lmm(cog ~ I(age - 1) * trt + (I(age - 1) | id), "mlmRev::Early"),
  contraception = lmm(
    as.integer(use) ~ age + I(age^2) + urban + livch + (urban | district),
    "rlmm::Contraception"
  ),
  schizophrenia = lmm(
    imps79 ~ TxDrug * SqrtWeek + (SqrtWeek | id),
    "lme4::schizophrenia"
  ),

  # Independent and several terms on one factor -------------------------------
  sleep_bars = lmm(Reaction ~ Days + (Days || Subject), "rlmm::sleepstudy"),
  sleep_two_terms = lmm(
    Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject),
    "rlmm::sleepstudy",
    REML = FALSE
  ),
  sleep_three_terms = lmm(
    Reaction ~ Days +
      (1 | Subject) +
      (0 + Days | Subject) +
      (0 + I(Days^2) | Subject),
    "rlmm::sleepstudy"
  ),
  sleep_zerocorr = lmm(
    Reaction ~ Days + zerocorr(1 + Days | Subject),
    "rlmm::sleepstudy",
    REML = FALSE,
    lme4 = Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)
  ),
  machines_diag = lmm(
    score ~ Machine + diag(0 + Machine | Worker),
    "nlme::Machines",
    lme4 = score ~ Machine +
      (0 + dummy(Machine, "A") | Worker) +
      (0 + dummy(Machine, "B") | Worker) +
      (0 + dummy(Machine, "C") | Worker)
  ),
  machines_fulldummy = lmm(
    score ~ Machine + zerocorr(1 + fulldummy(Machine) | Worker),
    "nlme::Machines",
    lme4 = score ~ Machine +
      (1 | Worker) +
      (0 + dummy(Machine, "A") | Worker) +
      (0 + dummy(Machine, "B") | Worker) +
      (0 + dummy(Machine, "C") | Worker)
  ),
  cake_dummy = lmm(
    angle ~ recipe + temp + (1 + dummy(recipe, "A") | replicate),
    "lme4::cake"
  ),
  ox_boys_bars = lmm(
    height ~ age + I(age^2) + (age + I(age^2) || Subject),
    "nlme::Oxboys",
    REML = FALSE
  ),
  early_terms = lmm(
    cog ~ age * trt + (1 | id) + (0 + age | id),
    "mlmRev::Early"
  ),

  # Nested --------------------------------------------------------------------
  pastes = lmm(strength ~ 1 + (1 | batch / cask), "rlmm::Pastes"),
  pastes_sample = lmm(
    strength ~ 1 + (1 | sample) + (1 | batch),
    "rlmm::Pastes",
    REML = FALSE
  ),
  pastes_colon = lmm(strength ~ 1 + (1 | batch:cask), "rlmm::Pastes"),
  pastes_paste = lmm(
    strength ~ 1 + (1 | paste(batch, cask)) + (1 | batch),
    "rlmm::Pastes",
    lme4 = strength ~ 1 + (1 | both) + (1 | batch),
    derived = alist(both = paste(batch, cask))
  ),
  oats = lmm(yield ~ nitro * Variety + (1 | Block / Variety), "nlme::Oats"),
  oats_factor = lmm(
    Y ~ N * V + (1 | B / V),
    "MASS::oats",
    contrasts = list(N = "contr.helmert")
  ),
  alfalfa = lmm(
    Yield ~ Date * Variety + (1 | Block / Variety),
    "nlme::Alfalfa"
  ),
  oxide = lmm(Thickness ~ 1 + (1 | Lot / Wafer), "nlme::Oxide"),
  pixel = lmm(
    pixel ~ day + I(day^2) + (day | Dog) + (1 | Dog:Side),
    "nlme::Pixel"
  ),
  wafer = lmm(
    current ~ voltage +
      I(voltage^2) +
      (voltage || Wafer:Site) +
      (voltage || Wafer),
    "nlme::Wafer"
  ),
  wafer_outer_first = lmm(
    current ~ voltage +
      I(voltage^2) +
      (voltage || Wafer) +
      (voltage || Wafer:Site),
    "nlme::Wafer"
  ),
  glucose = lmm(
    glucose ~ poly(Time, 4) + (1 | Subject / Date),
    "nlme::Glucose2",
    REML = FALSE
  ),
  assay = lmm(
    logDens ~ sample * dilut + (1 | Block) + (1 | Block:sample),
    "nlme::Assay"
  ),
  gun = lmm(rounds ~ Method + Physique + (1 | Team), "nlme::Gun"),
  machines = lmm(score ~ Machine + (1 | Worker / Machine), "nlme::Machines"),
  machines_interaction = lmm(
    score ~ Machine + (1 | interaction(Worker, Machine)) + (1 | Worker),
    "nlme::Machines",
    lme4 = score ~ Machine + (1 | both) + (1 | Worker),
    derived = alist(both = interaction(Worker, Machine))
  ),
  coop = lmm(Conc ~ Spc + (1 | Lab / Spc / Bat), "MASS::coop"),
  cake = lmm(
    angle ~ recipe * temperature + (1 | recipe:replicate),
    "lme4::cake"
  ),
  egsingle = lmm(
    math ~ year * lowinc + (year | schoolid) + (year | childid),
    "mlmRev::egsingle"
  ),
  melanoma = lmm(
    log((deaths + 0.5) / expected) ~ uvb + (uvb | nation) + (1 | region),
    "mlmRev::Mmmec"
  ),
  chem97 = lmm(
    score ~ gcsecnt + (1 | school) + (1 | lea),
    "mlmRev::Chem97",
    large = TRUE
  ),
  chem97_slopes = lmm(
    score ~ gcsecnt + gender + (gcsecnt | school) + (1 | lea),
    "mlmRev::Chem97",
    large = TRUE
  ),

  # Crossed -------------------------------------------------------------------
  penicillin = lmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    "rlmm::Penicillin"
  ),
  penicillin_ml = lmm(
    diameter ~ 1 + (1 | sample) + (1 | plate),
    "rlmm::Penicillin",
    REML = FALSE
  ),
  pastes_crossed = lmm(strength ~ 1 + (1 | batch) + (1 | cask), "rlmm::Pastes"),
  orchard = lmm(
    log(decrease) ~ treatment + (1 | rowpos) + (1 | colpos),
    "datasets::OrchardSprays"
  ),
  light_speed = lmm(Speed ~ 1 + (1 | Expt) + (1 | Run), "datasets::morley"),
  immer = lmm(Y1 ~ Y2 + (1 | Loc) + (1 | Var), "MASS::immer"),
  coop_star = lmm(
    Conc ~ 1 + (1 | Lab * Spc),
    "MASS::coop",
    lme4 = Conc ~ 1 + (1 | Lab) + (1 | Spc) + (1 | Lab:Spc)
  ),
  arabidopsis = lmm(
    log1p(total.fruits) ~ factor(nutrient) *
      amd +
      rack +
      status +
      (amd | popu) +
      (1 | gen),
    "lme4::Arabidopsis"
  ),
  grouse = lmm(
    log1p(TICKS) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION),
    "rlmm::grouseticks"
  ),
  scots = lmm(attain ~ sex + (1 | primary) + (1 | second), "mlmRev::ScotsSec"),
  scots_slopes = lmm(
    attain ~ verbal * sex + (1 | primary) + (sex | second),
    "mlmRev::ScotsSec",
    REML = FALSE
  ),
  verbal = lmm(
    as.integer(resp) ~ Anger + Gender + btype + situ + (1 | id) + (1 | item),
    "rlmm::VerbAgg"
  ),
  verbal_slopes = lmm(
    as.integer(resp) ~ mode + (mode | id) + (Gender | item),
    "rlmm::VerbAgg"
  ),
  insteval_part = lmm(
    y ~ service + studage + (1 | s) + (1 | d),
    "rlmm::InstEval",
    subset = dept == "2" & lectage == "1"
  ),
  insteval = lmm(
    y ~ 1 + service * dept + (1 | s) + (1 | d),
    "rlmm::InstEval",
    REML = FALSE,
    large = TRUE
  ),
  insteval_dept = lmm(
    y ~ service + (1 | s) + (1 | d) + (1 | dept),
    "rlmm::InstEval",
    large = TRUE
  ),
  star = lmm(
    math ~ gr + sx + eth + ses + cltype + (yrs | id) + (1 | tch) + (yrs | sch),
    "mlmRev::star",
    large = TRUE
  ),

  # Weights, offsets, missing values, odd designs -----------------------------
  cbpp = lmm(
    incidence / size ~ period + (1 | herd),
    "rlmm::cbpp",
    weights = size
  ),
  sleep_weights = lmm(
    Reaction ~ Days + (Days | Subject),
    "rlmm::sleepstudy",
    weights = 1 / (1 + Days),
    REML = FALSE
  ),
  penicillin_weights = lmm(
    diameter ~ 1 + (1 | plate) + (1 | sample),
    "rlmm::Penicillin",
    weights = as.integer(sample)
  ),
  sleep_offset = lmm(
    Reaction ~ 1 + (1 | Subject),
    "rlmm::sleepstudy",
    offset = 10 * Days
  ),
  sleep_offset_term = lmm(
    Reaction ~ offset(10 * Days) + (Days | Subject),
    "rlmm::sleepstudy",
    REML = FALSE
  ),
  sleep_no_fixed = lmm(Reaction ~ 0 + (1 | Subject), "rlmm::sleepstudy"),
  sleep_through_zero = lmm(
    I(Reaction - 250) ~ 0 + Days + (0 + Days | Subject),
    "rlmm::sleepstudy"
  ),
  sleep_speed = lmm(
    1000 / Reaction ~ factor(Days) + (1 | Subject),
    "rlmm::sleepstudy"
  ),
  sleep_aliased = lmm(
    Reaction ~ Days + I(2 * Days) + (Days | Subject),
    "rlmm::sleepstudy"
  ),
  oats_aliased = lmm(
    yield ~ Variety + nitro + Variety:nitro + I(nitro / 2) + (1 | Block),
    "nlme::Oats",
    REML = FALSE
  ),
  ozone = lmm(
    Ozone ~ Wind + Temp + Solar.R + (1 | Month),
    "datasets::airquality"
  ),
  ozone_cut = lmm(
    log(Ozone) ~ Temp + (1 | cut(Wind, 4)),
    "datasets::airquality",
    lme4 = log(Ozone) ~ Temp + (1 | wind),
    derived = alist(wind = cut(Wind, 4))
  ),
  milk = lmm(
    protein ~ Diet + splines::ns(Time, 4) + (Time | Cow),
    "nlme::Milk"
  ),
  soybean = lmm(
    log(weight) ~ poly(Time, 2) * Variety + Year + (1 | Plot),
    "nlme::Soybean",
    weights = Time / 10
  )
)

# The data frame of a model, or NULL where its package is not installed or too old to have it.
lmm_data <- function(model) {
  if (!is.null(model$frame)) {
    return(model$frame)
  }
  if (!requireNamespace(model$package, quietly = TRUE)) {
    return(NULL)
  }
  env <- new.env()
  suppressWarnings(utils::data(
    list = model$data,
    package = model$package,
    envir = env
  ))
  if (is.null(env[[model$data]])) {
    return(NULL)
  }
  data <- as.data.frame(env[[model$data]])
  for (name in names(model$derived)) {
    data[[name]] <- eval(model$derived[[name]], data)
  }
  data
}

# fun(formula, data, ...) with the model's arguments, written as a user would write the call.
lmm_fit <- function(
  fun,
  model,
  formula = model$formula,
  ...,
  data = lmm_data(model)
) {
  call <- as.call(c(quote(fun), formula, quote(data), model$args, list(...)))
  eval(call)
}

# What data-raw/reference.R has written down about the models, by name.
lmm_references <- function(
  path = testthat::test_path("..", "reference", "lmm.json")
) {
  models <- jsonlite::fromJSON(
    path,
    simplifyMatrix = FALSE,
    simplifyDataFrame = FALSE
  )$models
  names(models) <- vapply(models, `[[`, "", "name")
  models
}

small_lmm_models <- function() Filter(function(model) !model$large, lmm_models)
