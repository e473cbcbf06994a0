# Dyestuff2: constructed data of Box and Tiao (1973), Bayesian Inference in Statistical Analysis,
# section 5.1.2. Taken as it stands from the data set of the same name in the R package lme4. Run
# from the root of the package: Rscript data-raw/Dyestuff2.R

Dyestuff2 <- lme4::Dyestuff2
save(Dyestuff2, file = "data/Dyestuff2.rda", compress = "xz", version = 3)
