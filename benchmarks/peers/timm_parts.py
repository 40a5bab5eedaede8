"""timm's train.py, part by part: its loader, RandAugment, random erasing, MixUp with CutMix, EMA, its optimisers.

The script itself is in timm's repository, not in its package, and plans by epochs; this one plans by seconds, with
the arguments that its documentation gives for fine-tuning small networks (`--aa rand-m9-mstd0.5-mmax9-inc1
--reprob 0.25 --mixup 0.2 --cutmix 1.0 --model-ema --sched cosine --opt adamw --lr 1e-3 --smoothing 0.1`); `mmax9`
keeps its posterising from zero bits, which newer Pillows refuse.
"""

from __future__ import annotations

import math
import os

from common import Job


def main() -> None:
    """Trains for the job's seconds, then predicts."""
    job = Job()
    import timm
    import torch
    from PIL import Image
    from timm.data import create_loader, resolve_data_config
    from timm.data.mixup import Mixup
    from timm.loss import SoftTargetCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.utils import ModelEmaV3
    from torch.utils.data import Dataset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    job.use_local_weights()
    net = timm.create_model(job.net, pretrained=True, num_classes=len(job.classes)).to(device)
    config = resolve_data_config({"img_size": job.size}, model=net)

    class Images(Dataset):
        transform = None

        def __init__(self, files: list[tuple[str, int]]) -> None:
            self.files = files

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            path, label = self.files[row]
            return self.transform(Image.open(path).convert("RGB")), label

    shared = {"input_size": config["input_size"], "mean": config["mean"], "std": config["std"], "use_prefetcher": False,
              "num_workers": os.cpu_count() or 1, "interpolation": config["interpolation"], "device": device,
              "persistent_workers": False}  # fmt: skip
    change = {"auto_augment": "rand-m9-mstd0.5-mmax9-inc1", "re_prob": 0.25, "re_mode": "pixel", "vflip": 0.5,
              "scale": (0.5, 1.0)}  # fmt: skip
    train = create_loader(Images(job.train_files()), batch_size=64, is_training=True, **change, **shared)
    optimizer = create_optimizer_v2(net, opt="adamw", lr=1e-3, weight_decay=0.05)
    mix = Mixup(0.2, 1.0, label_smoothing=0.1, num_classes=len(job.classes))
    criterion, ema = SoftTargetCrossEntropy(), ModelEmaV3(net, decay=0.999, use_warmup=True)
    net.train()
    steps, done = 0, False
    while not done:
        for x, y in train:
            progress = job.progress
            done = progress >= 1
            if done:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(progress / 0.05, (1 + math.cos(math.pi * progress)) / 2)
            x, targets = mix(x.to(device), y.to(device))
            loss = criterion(net(x), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update(net, step=steps)
            steps += 1
    job.trained(epochs=round(steps / len(train), 2))
    predicted = {}
    best = ema.module.eval()
    with torch.inference_mode():
        for name, paths in job.unseen_files().items():
            loader = create_loader(Images([(path, 0) for path in paths]), batch_size=256, is_training=False,
                                   crop_pct=1.0, **shared)  # fmt: skip
            predicted[name] = torch.cat([best(x.to(device)).argmax(1).cpu() for x, _ in loader]).tolist()
    job.say(predicted)


if __name__ == "__main__":
    main()
