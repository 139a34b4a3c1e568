"""The words of the model cards that belong to keys of metrics files: titles, notes, labels.

A key without words here is shown by its own name, so that a new score is never lost.
"""

from __future__ import annotations

HOW = ("settings", "seeds", "checkpoint", "checkpoints", "seconds", "judged_at_px", "training")

# In the order in which the cards show them.
TITLES = {
    "recognisability": "Is the thing recognised?",
    "prior": "What the prior is worth",
    "combinations": "Colours and backgrounds that were held out",
    "layouts": "Sizes, positions, counts",
    "pairs": "Two objects",
    "retrieval": "CLIP and the text encoder",
    "guidance": "How hard the caption pulls",
    "upsamplers": "What the upsamplers add",
    "beside_dalle2": "Beside the tiny DALL·E 2",
    "trained": "Size and training budget",
    "tokenizer": "What the tokenizer keeps",
    "variety": "How different are 32 samples of one caption?",
    "copying": "Copied or new?",
    "novelty": "Distance to the training drawings",
    "precision": "Half precision against full",
    "speed": "Speed",
    "classes": "All classes of structures",
    "molecules": "Molecules that it never saw",
    "against_etkdg": "Against ETKDG, molecule by molecule",
    "component_classes": "Sugars, residues, nucleotides",
    "proteins": "Proteins that it never saw",
    "distogram": "What the trunk knows of distances",
    "twins": "Beside each other",
    "against_alphafold3": "AlphaFold 2 minus AlphaFold 3, crop by crop",
    "cost": "What an answer costs",
    "structures": "Nucleic acids, ions, pockets",
    "confidence": "Does it know when it is right?",
    "samplers": "Samplers",
    "ablation": "What a reference conformer would add",
    "named": "Well-known molecules",
    "posebusters_failures": "Why samples were not valid",
    "data": "Splits",
    "failures": "Failures",
}

NOTES = {
    "recognisability": (
        "An independent classifier, trained on real drawings only, names what was drawn. It is no "
        "better than its own ceiling: what it reaches on real drawings that it never saw."
    ),
    "dalle2.prior": (
        "The same captions, decoder and seeds with three sources of the image embedding: the "
        "prior, its one-step estimate of the mean, and the caption's own text embedding."
    ),
    "combinations": (
        "Concept, colour and background as they never stood together in training, judged by code. "
        "The ceiling is the same judge on real compositions."
    ),
    "layouts": "The same for words of size, position and count.",
    "pairs": "Two objects in one caption; small models find this hard, and it shows.",
    "retrieval": "Which of all concepts is nearest to a drawing, or to a free prompt.",
    "guidance": "Recognisability against variety. The default is chosen from this curve.",
    "novelty": "Beside the same distances of real drawings that were not trained on.",
    "beside_dalle2": (
        "The same captions, seeds, judge and machine. Where the older way wins, it stands here as "
        "well."
    ),
    "upsamplers": (
        "Real unseen drawings made small and enlarged again, beside bicubic enlarging. Crispness "
        "is the share of fine detail that comes back."
    ),
    "tokenizer": (
        "Pictures turned into codes and back: the ceiling of whatever is drawn with these codes."
    ),
    "copying": (
        "A near-copy is nearer to some training drawing than 95 of 100 real drawings that another "
        "artist made; 5 % is therefore what independent drawing gives."
    ),
    "precision": "The same captions and seeds, drawn as served and with every number in 32 bits.",
    "molecules": (
        "Entries of 2024 and later, unlike everything earlier. Beside them ETKDGv3, the usual "
        "conformer program, on the same molecules. Nothing is relaxed, filtered or drawn again. "
        "Steering: at high noise each estimate is pushed towards the hands that the input names; "
        "the network alone, without it, stands beside."
    ),
    "named": "Ten samples each.",
    "classes": (
        "One model, one row per class. The baseline of components is ETKDG on the same "
        "molecules, of proteins an unrelated chain of the same length, of nucleic acids what "
        "training knows best. RMSD is after the best rigid fit: the mean over samples, from DNA "
        "on the first sample. The share of training steps is the command's default."
    ),
    "against_etkdg": (
        "The same molecules, both told the same stereochemistry. The difference is this model's "
        "RMSD to the crystal minus ETKDG's: negative where this model is nearer. In brackets of "
        "low and high lies the mean with 95 % certainty, by resampling the molecules."
    ),
    "component_classes": (
        "By class of the Chemical Component Dictionary. The strict pool holds almost only small "
        "molecules: every new sugar looks like an old one. The other classes are filled up with "
        "later components of a connectivity that was not in training."
    ),
    "proteins": (
        "Backbones of 64 residues, the mean over five samples and the best of them. The floor is "
        "what an unrelated crop of the same length reaches. TM-score compares residue with "
        "residue; aligned, it may shift the chains against each other first."
    ),
    "distogram": (
        "Of the 32 pairs per protein that the trunk believes to be nearest, at least six residues "
        "apart: how many really are within 8 Å. Chance is the share of such pairs among all."
    ),
    "twins": (
        "The same trunk, crops and inputs; AlphaFold 2 has one answer, AlphaFold 3 draws five "
        "samples. Spread is the mean RMSD between the answers to one question. A peptide bond counts "
        "as broken when it is off by more than 0.17 Å; a helix has to turn to the right."
    ),
    "against_alphafold3": (
        "Positive where AlphaFold 2 is better. Between low and high lies the mean with 95 % "
        "certainty, by resampling the crops."
    ),
    "cost": (
        "Parameters beside the trunk, which both ask once per chain and the server remembers; one "
        "answer, alone, on this machine."
    ),
    "structures": (
        "Held out by group: nothing of the same entry, protein cluster or motif was in training."
    ),
    "confidence": (
        "Predicted lDDT of the model's own samples on held-out structures, beside what they "
        "really have. First is the sample of five that the ranking puts first, random the mean of "
        "the five."
    ),
    "samplers": (
        "On molecules of 2023, which no other table reports. Heun asks the network twice a step, "
        "so it takes half the steps."
    ),
    "ablation": (
        "AlphaFold 3 is also given one conformer of each molecule that RDKit made. Two small "
        "networks of this model's code, the same start, batches and steps; one was told the "
        "distances in such a conformer. Scored on molecules of 2023."
    ),
    "posebusters_failures": (
        "Number of samples by the check that failed; (full) is the energy check's run."
    ),
    "data": (
        "How many structures each split holds. Components are split by year, the others by groups."
    ),
    "dalle2.failures": "Captions whose thing the classifier ranked lowest, worst first.",
    "alphafold3.failures": (
        "Invalid samples first, then wrong hands, then those furthest from the crystal."
    ),
}

# Captions of the sheets in static/cards, by card and name.
CAPTIONS = {
    "contact": "Free prompts, four samples each, none left out.",
    "failures": "Failures: captions whose thing the classifier ranked lowest, worst first.",
    "alphafold3.contact": (
        "Finished examples of every class, one sample each, none left out; where an experiment is "
        "known, it lies beneath in grey."
    ),
    "alphafold3.failures": (
        "The worst of the evaluation, each with its reason; the crystal's answer in grey."
    ),
}

WORDS = {
    "top1": "top 1",
    "top5": "top 5",
    "recall@1": "recall at 1",
    "recall@5": "recall at 5",
    "recall_with_twins@1": "recall at 1, twins count",
    "recall_with_twins@5": "recall at 5, twins count",
    "independent_real_drawings": "real drawings by other artists",
    "reconstructed": "there and back",
    "original": "the original",
    "pixel_rms": "pixel distance",
    "psnr_db": "PSNR in dB",
    "psnr_bicubic": "PSNR, bicubic",
    "psnr": "PSNR",
    "crispness_bicubic": "crispness, bicubic",
    "from_16": "all three, from 16 pixels",
    "upsampler": "16 to 32 pixels",
    "upsampler64": "32 to 64 pixels",
    "upsampler128": "64 to 128 pixels",
    "oracle": "the embedding of a real, unseen drawing",
    "ceiling_same_concepts": "real unseen drawings of the same things",
    "ceiling_held_out_renderings": "all real unseen drawings",
    "ceiling_held_out_renderings_16px": "all real unseen drawings, at 16 pixels",
    "ceiling_training_drawings": "drawings the classifier was trained on",
    "chance_top5": "chance, top 5",
    "model": "this model",
    "prior": "the prior (this model)",
    "pixels": "near-copies in pixels",
    "clip": "near-copies in CLIP",
    "best_of_4_by_clip": "the one of 4 that CLIP likes most",
    "dalle1": "DALL·E 1",
    "dalle2": "DALL·E 2",
    "dalle2_shown": "DALL·E 2, as shown",
    "mean_embedding": "the mean embedding",
    "text_embedding": "the text embedding",
    "ceiling_real_pictures": "real compositions",
    "concept_top5": "thing in top 5",
    "first_top5": "first in top 5",
    "second_top5": "second in top 5",
    "both_top5": "both in top 5",
    "clip_order": "CLIP prefers this order",
    "clip_held_out_rendering": "drawings by a held-out vendor",
    "clip_unseen_vendor": "vendors that were never seen",
    "clip_held_out_concept": "things that were never seen",
    "free_prompts_sentence": "free prompts, sentence space",
    "free_prompts_clip": "free prompts, CLIP space",
    "samples": "samples",
    "real_held_out_drawings": "real unseen drawings",
    "median_pixel_rms": "median pixel distance",
    "share_below_0.1": "nearer than 0.1",
    "median_clip_cosine": "median CLIP cosine",
    "vendors_nearest": "styles among the nearest",
    "mean_cosine_distance": "mean distance in CLIP",
    "relative_to_ceiling": "relative to the ceiling",
    "guidance_scale": "guidance",
    "bfloat16": "as served (bfloat16)",
    "float32": "float32",
    "largest_pixel_rms": "largest pixel distance",
    "twofold": "this model",
    "network_alone": "the network alone, without steering",
    "etkdg_v3": "ETKDGv3",
    "posebusters": "PoseBusters",
    "posebusters_and_stereo": "PoseBusters and stereo",
    "stereo": "stereo right",
    "stereo_molecules": "with stereo",
    "bond_mae_A": "bond error",
    "angle_mae_deg": "angle error",
    "rmsd_best_of_1_A": "RMSD",
    "rmsd_best_of_10_A": "RMSD, best of 10",
    "rmsd_best_A": "best RMSD",
    "lddt_ca": "lDDT of C-alpha",
    "lddt_ca_floor": "floor",
    "rmsd_ca_A": "RMSD of C-alpha",
    "peptide_bond_A": "peptide bond",
    "training_share": "share of training steps",
    "structures": "structures",
    "rmsd_A": "RMSD",
    "baseline_rmsd_A": "baseline's RMSD",
    "lddt": "lDDT",
    "baseline_lddt": "baseline's lDDT",
    "small_molecules": "small molecules",
    "modified_residues": "modified residues",
    "proteins_sequence_only": "proteins, sequence only",
    "proteins_with_profile": "proteins, with profile",
    "dna": "DNA",
    "rna": "RNA",
    "ion": "ion shells",
    "pocket": "ligand pockets",
    "protein_dna": "protein and DNA",
    "modified": "modified chains",
    "dna_6bp": "DNA duplexes of 6 base pairs",
    "rna_hairpins": "RNA hairpins",
    "rna_other": "other RNA motifs",
    "ion_shells": "ions in their shells",
    "pockets": "ligands in their pockets",
    "best_rmsd_A": "RMSD, best of 5",
    "best_lddt": "lDDT, best of 5",
    "token_lddt": "lDDT of tokens",
    "best_token_lddt": "lDDT of tokens, best of 5",
    "baseline_token_lddt": "another crop's",
    "ligand_rmsd_A": "ligand as placed, RMSD",
    "best_ligand_rmsd_A": "ligand as placed, best of 5",
    "ligand_own_rmsd_A": "ligand's own shape, RMSD",
    "best_ligand_own_rmsd_A": "ligand's own shape, best of 5",
    "baseline_ligand_rmsd_A": "turned at random, RMSD",
    "distance_error_A": "ion distance error",
    "best_distance_error_A": "ion distance error, best of 5",
    "baseline_distance_error_A": "mean distance's error",
    "interface_lddt": "lDDT across the contact",
    "best_interface_lddt": "lDDT across, best of 5",
    "baseline_interface_lddt": "turned at random, lDDT across",
    "modified_own_rmsd_A": "modified residue's shape, RMSD",
    "best_modified_own_rmsd_A": "its shape, best of 5",
    "best_of_1": "one sample each",
    "mean_of_samples": "mean over samples",
    "best_of_samples": "best of the samples",
    "difference_A": "difference",
    "low_A": "low",
    "high_A": "high",
    "model_nearer_share": "this model nearer",
    "etkdg_nearer_share": "ETKDG nearer",
    "posebusters_full": "PoseBusters with energy",
    "rmsd_mean_A": "RMSD, mean over samples",
    "rmsd_best_of_5_A": "RMSD, best of 5",
    "rmsd_best_of_3_A": "RMSD, best of 3",
    "diversity_A": "between samples",
    "of_the_strict_pool": "of the strict pool",
    "not_embedded_by_etkdg": "not embedded by ETKDG",
    "network_calls": "network calls",
    "seconds_per_molecule": "time per molecule",
    "default": "as shown (default)",
    "published": "AlphaFold 3's, 200 steps",
    "published_in_as_many_steps": "AlphaFold 3's, 40 steps",
    "euler": "Euler, step scale 1",
    "heun": "Heun",
    "sequence_only": "sequence only",
    "with_profile": "with profile",
    "mostly_helix": "mostly helix",
    "mostly_strand": "mostly strand",
    "tm_score": "TM-score",
    "tm_score_floor": "TM-score, floor",
    "tm_align": "TM-score, aligned",
    "tm_align_floor": "TM-score, aligned, floor",
    "best_lddt_ca": "lDDT, best of 5",
    "best_tm_score": "TM-score, best of 5",
    "precision_top_half": "precision",
    "without": "without",
    "with_reference_conformer": "with a reference conformer",
    "with_minus_without": "with minus without",
    "with_nearer_share": "with: nearer",
    "without_nearer_share": "without: nearer",
    "alphafold2_ahead_share": "AlphaFold 2 ahead",
    "spread_A": "spread",
    "peptide_bonds_broken": "broken peptide bonds",
    "residues_clashing": "residues that clash",
    "helix_turns_right_handed": "right-handed turns of helices",
    "seconds_after_the_trunk": "time after the trunk, s",
    "structure_module": "structure module",
    "alphafold2": "AlphaFold 2",
    "alphafold3": "AlphaFold 3",
    "plddt": "pLDDT",
    "ci95": "95 % interval",
    "calibration.error": "calibration error",
    "atom_error": "error per atom",
    "per_atom.pearson": "per atom, Pearson",
    "per_atom.spearman": "per atom, Spearman",
    "per_sample.pearson": "per sample, Pearson",
    "per_sample.spearman": "per sample, Spearman",
    "first_gain": "gain of the first",
    "surest_gain": "gain of the surest",
    "surest": "surest (highest pLDDT)",
    "first": "ranked first",
    "random": "random",
    "not_embedded": "not embedded",
    "nearest_vendors": "nearest style",
    "judged_at_px": "judged at pixels",
    "all": "all",
    "8-20": "8 to 20 atoms",
    "21-40": "21 to 40 atoms",
}
