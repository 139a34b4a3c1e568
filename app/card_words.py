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
    "molecules": "Molecules that it never saw",
    "named": "Well-known molecules",
    "proteins": "Proteins that it never saw",
    "failures": "Failures",
}

NOTES = {
    "recognisability": (
        "An independent classifier, trained on real drawings only, names what was drawn. It is no "
        "better than its own ceiling: what it reaches on real drawings that it never saw."
    ),
    "dalle2.prior": (
        "The same captions, decoder and seeds with three sources of the image embedding: the prior, "
        "its one-step estimate of the mean, and the caption's own text embedding."
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
        "The same captions, seeds, judge and machine. Where the older way wins, it stands here as well."
    ),
    "upsamplers": (
        "Real unseen drawings made small and enlarged again, beside bicubic enlarging. Crispness is "
        "the share of fine detail that comes back."
    ),
    "tokenizer": "Pictures turned into codes and back: the ceiling of whatever is drawn with these codes.",
    "copying": (
        "A near-copy is nearer to some training drawing than 95 of 100 real drawings that another "
        "artist made; 5 % is therefore what independent drawing gives."
    ),
    "precision": "The same captions and seeds, drawn as served and with every number in 32 bits.",
    "molecules": (
        "Entries of 2024 and later, unlike everything earlier. Beside them ETKDGv3, the usual "
        "conformer program, on the same molecules."
    ),
    "named": "Ten samples each.",
    "proteins": (
        "Backbones of up to 64 residues. The floor is the score of a wrong fold of the same length: "
        "this model is hardly above it, it does not fold proteins."
    ),
    "failures": "Captions whose thing the classifier ranked lowest, worst first.",
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
    "not_embedded": "not embedded",
    "nearest_vendors": "nearest style",
    "judged_at_px": "judged at pixels",
    "all": "all",
    "8-20": "8 to 20 atoms",
    "21-40": "21 to 40 atoms",
}
