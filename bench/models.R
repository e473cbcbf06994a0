# The models of the headline table: some of the registry, and two whose unstructured terms are large.

bench_models <- function(slow = FALSE) {
  from_registry <- c(
    Dyestuff = "dyestuff", sleepstudy = "sleep", Penicillin = "penicillin", Pastes = "pastes", ScotsSec = "scots",
    Chem97 = "chem97", "InstEval, 2 terms" = "insteval", "InstEval, 3 terms" = "insteval_dept"
  )
  models <- lmm_models[from_registry]
  names(models) <- names(from_registry)
  models[["sleepstudy, factor(Days)"]] <- factor_days
  if (slow) models[["crossed, 8 x 8 + 8 x 8"]] <- maximal_crossed()
  models
}

# lmer() and rlmm() both take a list for `control`.
factor_days <- lmm(
  Reaction ~ factor(Days) + (factor(Days) | Subject), "rlmm::sleepstudy", REML = FALSE,
  control = list(check.nobs.vs.nRE = "ignore")
)

# The shape of a psycholinguistic experiment: 56 subjects, 32 items, three crossed factors of two levels, all
# their effects and interactions random for subjects and for items. Simulated, always the same.
maximal_crossed <- function() {
  model <- lmm(
    rt ~ a * b * c + (a * b * c | subject) + (a * b * c | item), "bench::crossed", REML = FALSE
  )
  model$frame <- simulate_crossed()
  model
}

simulate_crossed <- function() {
  set.seed(1)
  data <- expand.grid(subject = factor(1:56), item = factor(1:32))
  cell <- (as.integer(data$subject) + as.integer(data$item)) %% 8
  data[c("a", "b", "c")] <- lapply(c(1, 2, 4), function(bit) ifelse(bitwAnd(cell, bit) > 0, 0.5, -0.5))
  x <- model.matrix(~ a * b * c, data)
  effects <- function(levels, sd) matrix(rnorm(levels * 8, sd = sd), levels, byrow = TRUE)
  by_subject <- effects(56, c(300, 120, 100, 80, 80, 60, 60, 60))
  by_item <- effects(32, c(350, 100, 60, 60, 50, 40, 40, 40))
  random <- rowSums(x * by_subject[data$subject, ]) + rowSums(x * by_item[data$item, ])
  data$rt <- 2200 + 150 * data$a - 80 * data$b + random + rnorm(nrow(data), sd = 650)
  data
}
