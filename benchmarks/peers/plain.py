"""A DataLoader with albumentations, as most contestants write it: one network, AdamW, one cycle over the minutes."""

from __future__ import annotations

import os

from common import Job


def main() -> None:
    """Trains for the job's seconds, then predicts."""
    job = Job()
    import albumentations as A
    import numpy as np
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    job.use_local_weights()

    class Images(Dataset):
        def __init__(self, files: list[tuple[str, int]], change: A.Compose) -> None:
            self.files, self.change = files, change

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            path, label = self.files[row]
            image = self.change(image=np.asarray(Image.open(path).convert("RGB")))["image"]
            return torch.from_numpy(image).permute(2, 0, 1), label

    plain = [A.Resize(job.size, job.size), A.Normalize()]
    change = A.Compose(
        [A.HorizontalFlip(), A.VerticalFlip(),
         A.Affine(scale=(0.8, 1.2), translate_percent=0.1, rotate=(-45, 45), p=0.7),
         A.RandomBrightnessContrast(p=0.5), A.HueSaturationValue(p=0.5), A.GaussNoise(p=0.2), A.GaussianBlur(p=0.2),
         A.CoarseDropout(p=0.3), *plain]
    )  # fmt: skip
    workers = os.cpu_count() or 1
    train = DataLoader(Images(job.train_files(), change), 64, True, num_workers=workers, drop_last=True,
                       persistent_workers=True)  # fmt: skip
    net = timm.create_model(job.net, pretrained=True, num_classes=len(job.classes)).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    steps, done = 0, False
    while not done:
        for x, y in train:
            progress = job.progress
            done = progress >= 1
            if done:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(progress / 0.1, (1 - progress) / 0.9)
            loss = criterion(net(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    job.trained(epochs=round(steps / len(train), 2))
    net.eval()
    predicted = {}
    with torch.inference_mode():
        for name, paths in job.unseen_files().items():
            loader = DataLoader(Images([(path, 0) for path in paths], A.Compose(plain)), 256, num_workers=workers)
            predicted[name] = torch.cat([net(x.to(device)).argmax(1).cpu() for x, _ in loader]).tolist()
    job.say(predicted)


if __name__ == "__main__":
    main()
