# Times of many fits at once: bootstraps, and many responses. With "lme4" also of lme4, on a share
# of the work.
#   Rscript bench/replicates.R [lme4]

library(rlmm)
with_lme4 <- "lme4" %in% commandArgs(trailingOnly = TRUE)

# The shortest of three calls; user time is that of all threads.
shortest <- function(call) {
  times <- vapply(1:3, \(i) unclass(system.time(call()))[c(3, 1)], c(0, 0))
  times[, which.min(times[1, ])]
}

report <- function(what, call) {
  time <- shortest(call)
  cat(sprintf("%-58s %8.3f s  (processors %.3f s)\n", what, time[1], time[2]))
}

sleep <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
report("bootstrap, sleepstudy, 10,000", \() bootstrap(sleep, 10000, seed = 1))

verb_formula <- r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)
verb <- rglmm(verb_formula, VerbAgg, family = binomial)
report("bootstrap, VerbAgg, Laplace, 1,000", \() {
  bootstrap(verb, 1000, seed = 1)
})

# Genes on 100 samples of 20 persons.
set.seed(1)
samples <- data.frame(
  person = factor(rep(1:20, each = 5)),
  treated = rep(c(0, 0, 0, 1, 1), 20),
  age = rep(stats::rnorm(20), each = 5)
)
effects <- matrix(stats::rnorm(20 * 20000), 20)[samples$person, ]
Y <- effects + 0.2 * samples$treated + stats::rnorm(100 * 20000)
report("rlmm_many, 20,000 responses of 100", \() {
  rlmm_many(Y ~ treated + age + (1 | person), samples)
})
counts <- matrix(stats::rpois(100 * 2000, exp(1 + 0.5 * Y[, 1:2000])), 100)
report("rglmm_many, Poisson, 2,000 responses of 100", \() {
  rglmm_many(counts ~ treated + age + (1 | person), samples, family = poisson)
})

if (with_lme4) {
  twin <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
  report("lme4: bootMer, sleepstudy, 100", \() {
    suppressMessages(lme4::bootMer(twin, lme4::fixef, nsim = 100, seed = 1))
  })
  report("lme4: a loop of lmer, 100 responses of 100", \() {
    for (i in 1:100) {
      samples$y <- Y[, i]
      suppressMessages(
        lme4::lmer(y ~ treated + age + (1 | person), samples)
      )
    }
  })
}
