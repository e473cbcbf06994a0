# The data sets of the mixed-model literature, under the names and with the columns that lme4 and
# mlmRev use; data-raw/<name>.R makes each of them.

#' Reaction times in a sleep deprivation study
#'
#' Average reaction time, day by day, of the subjects who were allowed three hours in bed per night.
#' Each of the 18 subjects was measured on ten days: days 0 and 1 were adaptation and training, day
#' 2 is the baseline, and sleep deprivation began after it.
#'
#' @format A data frame with 180 rows and 3 columns:
#' \describe{
#'   \item{Reaction}{average reaction time (ms)}
#'   \item{Days}{day of the study, 0 to 9}
#'   \item{Subject}{the subject, a factor with 18 levels}
#' }
#' @source The data set of the same name in the package lme4. The study is Belenky et al. (2003).
#' @references Belenky, G., Wesensten, N. J., Thorne, D. R., Thomas, M. L., Sing, H. C., Redmond, D.
#'   P., Russo, M. B. and Balkin, T. J. (2003). Patterns of performance degradation and restoration
#'   during sleep restriction and subsequent recovery: a sleep dose-response study. *Journal of
#'   Sleep Research* **12**, 1-12.
#' @examples
#' # Each subject has its own intercept and its own slope, and the two may be correlated.
#' rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' @keywords datasets
"sleepstudy"

#' Yield of dyestuff by batch
#'
#' Six batches of an intermediate product (H-acid), five preparations of the dyestuff Naphthalene
#' Black 12B from each. How much of the variation in yield comes from the batches?
#'
#' `Dyestuff` contains measurements; `Dyestuff2` was constructed so that the mean square between
#' batches is smaller than the mean square within them: the estimated variance of the batches is
#' then zero, and the fit is singular.
#'
#' @format Data frames with 30 rows and 2 columns:
#' \describe{
#'   \item{Batch}{batch of the intermediate product, a factor with levels `A` to `F`}
#'   \item{Yield}{yield of a preparation (grams of standard colour; in `Dyestuff2` on no real
#'     scale)}
#' }
#' @source The data sets of the same names in the package lme4. `Dyestuff`: Davies and Goldsmith
#'   (1972), section 6.4. `Dyestuff2`: Box and Tiao (1973), section 5.1.2.
#' @references Davies, O. L. and Goldsmith, P. L. (editors) (1972). *Statistical Methods in Research
#'   and Production*, 4th edition. Oliver and Boyd.
#'
#'   Box, G. E. P. and Tiao, G. C. (1973). *Bayesian Inference in Statistical Analysis*.
#'   Addison-Wesley.
#' @examples
#' rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
#' # Here the estimated variance between batches is zero.
#' rlmm(Yield ~ 1 + (1 | Batch), Dyestuff2)
#' @keywords datasets
"Dyestuff"

#' @rdname Dyestuff
#' @format NULL
"Dyestuff2"

#' Variation in penicillin testing
#'
#' Six samples of penicillin were compared on each of 24 plates by the *Bacillus subtilis* method:
#' the larger the zone in which the organism does not grow, the stronger the penicillin. Every
#' sample is on every plate, so the two factors are crossed.
#'
#' @format A data frame with 144 rows and 3 columns:
#' \describe{
#'   \item{diameter}{diameter of the zone of inhibition (mm)}
#'   \item{plate}{the plate, a factor with levels `a` to `x`}
#'   \item{sample}{the sample of penicillin, a factor with levels `A` to `F`}
#' }
#' @source The data set of the same name in the package lme4; Davies and Goldsmith (1972), section
#'   6.6.
#' @references Davies, O. L. and Goldsmith, P. L. (editors) (1972). *Statistical Methods in Research
#'   and Production*, 4th edition. Oliver and Boyd.
#' @examples
#' rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
#' @keywords datasets
"Penicillin"

#' Strength of a chemical paste by batch and cask
#'
#' Three casks from each of ten deliveries of a chemical paste were sampled, and each sample was
#' assayed twice. Casks are nested in batches: cask `a` of batch `A` has nothing to do with cask `a`
#' of batch `B`.
#'
#' @format A data frame with 60 rows and 4 columns:
#' \describe{
#'   \item{strength}{strength of the paste}
#'   \item{batch}{the delivery, a factor with levels `A` to `J`}
#'   \item{cask}{the cask within the delivery, a factor with levels `a` to `c`}
#'   \item{sample}{the sample, a factor with 30 levels `A:a` to `J:c`: `batch` and `cask` in one}
#' }
#' @source The data set of the same name in the package lme4; Davies and Goldsmith (1972), section
#'   6.5.
#' @references Davies, O. L. and Goldsmith, P. L. (editors) (1972). *Statistical Methods in Research
#'   and Production*, 4th edition. Oliver and Boyd.
#' @examples
#' # Two ways to write the same model.
#' rlmm(strength ~ 1 + (1 | batch/cask), Pastes)
#' rlmm(strength ~ 1 + (1 | sample) + (1 | batch), Pastes)
#' @keywords datasets
"Pastes"

#' Evaluations of lectures by students at ETH Zurich
#'
#' Ratings of lectures, each by one student for one lecture of one instructor in one past semester.
#' Students and instructors are partially crossed. The data were anonymized and slightly simplified
#' by those who published them.
#'
#' @format A data frame with 73,421 rows and 7 columns:
#' \describe{
#'   \item{s}{the student, a factor with 2972 levels}
#'   \item{d}{the instructor, a factor with 1128 levels}
#'   \item{studage}{semester in which the student is enrolled, an ordered factor: `2 < 4 < 6 < 8`}
#'   \item{lectage}{how many semesters ago the lecture took place, an ordered factor: `1 < ... < 6`}
#'   \item{service}{`1` if the lecture was held for another department than the instructor's own,
#'     else `0`}
#'   \item{dept}{department of the lecture, a factor with 14 levels}
#'   \item{y}{the rating, an integer from 1 (poor) to 5 (very good)}
#' }
#' @source The data set of the same name in the package lme4.
#' @examples
#' str(InstEval)
#' xtabs(~ service + dept, InstEval)
#' rlmm(y ~ service + (1 | s) + (1 | d), InstEval)
#' @keywords datasets
"InstEval"

#' Responses to items on verbal aggression
#'
#' Each of 316 persons answered 24 items such as "A bus fails to stop for me. I would want to
#' curse."
#'
#' @format A data frame with 7584 rows and 9 columns:
#' \describe{
#'   \item{Anger}{the person's trait anger score, an integer}
#'   \item{Gender}{the person's gender, a factor with levels `F` and `M`}
#'   \item{item}{the item, a factor with 24 levels}
#'   \item{resp}{the answer, an ordered factor: `no < perhaps < yes`}
#'   \item{id}{the person, a factor with 316 levels}
#'   \item{btype}{type of behaviour, a factor with levels `curse`, `scold` and `shout`}
#'   \item{situ}{who is to blame, a factor with levels `other` and `self`}
#'   \item{mode}{mode of behaviour, a factor with levels `want` and `do`}
#'   \item{r2}{the answer in two classes, a factor with levels `N` (no) and `Y` (perhaps or yes)}
#' }
#' @source The data set of the same name in the package lme4; De Boeck and Wilson (2004).
#' @references De Boeck, P. and Wilson, M. (editors) (2004). *Explanatory Item Response Models*.
#'   Springer.
#' @examples
#' xtabs(~ btype + resp, VerbAgg)
#' # The share of persons who would do more than nothing, by item.
#' round(tapply(VerbAgg$r2 == "Y", VerbAgg$item, mean), 2)
#' @keywords datasets
"VerbAgg"

#' Contagious bovine pleuropneumonia
#'
#' New cases of the disease in 15 commercial herds of zebu cattle in the Boji district of Ethiopia,
#' by quarter. Blood samples were taken from all animals of a herd; some were lost to follow-up.
#'
#' @format A data frame with 56 rows and 4 columns:
#' \describe{
#'   \item{herd}{the herd, a factor with levels `1` to `15`}
#'   \item{incidence}{number of new serological cases in the herd and period}
#'   \item{size}{size of the herd at the beginning of the period}
#'   \item{period}{the quarter, a factor with levels `1` to `4`}
#' }
#' @source The data set of the same name in the package lme4; Lesnoff et al. (2004).
#' @references Lesnoff, M., Laval, G., Bonnet, P., Abdicho, S., Workalemahu, A., Kifle, D., Peyraud,
#'   A., Lancelot, R. and Thiaucourt, F. (2004). Within-herd spread of contagious bovine
#'   pleuropneumonia in Ethiopian highlands. *Preventive Veterinary Medicine* **64**, 27-40.
#' @examples
#' # The incidence falls from one period to the next.
#' with(cbpp, tapply(incidence, period, sum) / tapply(size, period, sum))
#' @keywords datasets
"cbpp"

#' Ticks on the heads of red grouse chicks
#'
#' Counts of ticks on 403 chicks from 118 broods at 63 locations in three years.
#'
#' @format A data frame with 403 rows and 7 columns:
#' \describe{
#'   \item{INDEX}{the chick, a factor with one level per row}
#'   \item{TICKS}{number of ticks}
#'   \item{BROOD}{the brood, a factor with 118 levels}
#'   \item{HEIGHT}{height above sea level (m)}
#'   \item{YEAR}{the year less 1900, a factor with levels `95`, `96` and `97`}
#'   \item{LOCATION}{the location, a factor with 63 levels}
#'   \item{cHEIGHT}{`HEIGHT`, centred}
#' }
#' @source The data set of the same name in the package lme4; Elston et al. (2001).
#' @references Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C. and Lambin, X. (2001).
#'   Analysis of aggregation, a worked example: numbers of ticks on red grouse chicks.
#'   *Parasitology* **122**, 563-569.
#'   \doi{10.1017/S0031182001007740}
#' @examples
#' # A linear model for the logarithm of the counts: broods are nested in locations.
#' rlmm(log1p(TICKS) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), grouseticks)
#' @keywords datasets
"grouseticks"

#' Use of contraception in Bangladesh
#'
#' Answers of 1934 women from 60 districts in the Bangladesh Fertility Survey of 1988.
#'
#' @format A data frame with 1934 rows and 6 columns:
#' \describe{
#'   \item{woman}{the woman, a factor with one level per row}
#'   \item{district}{the district, a factor with 60 levels}
#'   \item{use}{whether contraception is used, a factor with levels `N` and `Y`}
#'   \item{livch}{number of living children, a factor with levels `0`, `1`, `2` and `3+`}
#'   \item{age}{age at the time of the survey (years), centred}
#'   \item{urban}{whether the region of residence is urban, a factor with levels `N` and `Y`}
#' }
#' @source The data set of the same name in the package mlmRev; Steele, Diamond and Amin (1996).
#' @references Steele, F., Diamond, I. and Amin, S. (1996). Immunization uptake in rural Bangladesh:
#'   a multilevel analysis. *Journal of the Royal Statistical Society, Series A* **159**, 289-299.
#' @examples
#' # Use by number of living children, in town and country.
#' round(with(Contraception, tapply(use == "Y", list(livch, urban), mean)), 2)
#' @keywords datasets
"Contraception"
