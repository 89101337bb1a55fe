"""Makes host/prices/data/ec2.json: what an hour of each EC2 instance type costs on demand, with Linux, by region.

    make.py KARPENTER.zip KARPENTER_VERSION LIBCLOUD_NEW LIBCLOUD_OLD OUT

Karpenter has us-east-1 and GovCloud, made from the Pricing API and right. Libcloud has every region. Its file of
2022 is right as well; that of 2025 knows newer types, but has for about one in three a zero or the price of dedicated
tenancy, 6 or 10 percent more. So:

- us-east-1 and GovCloud: as Karpenter has them.
- us-east-2 and us-west-2: as us-east-1. In the file of 2022 they are equal for all types, which this checks.
- other regions: as in 2022, where the type's price in us-east-1 is the same today; else by the family. Within a family all
  sizes cost the same multiple of us-east-1, so a region's multiple is the lowest that the sizes agree on, and a price
  that is not by it is made of it. What the families of 2022 give by this rule is compared with what they are.
- families whose prices have been cut since (p4, p5) have no price in other regions.
"""

import collections
import json
import re
import sys
import zipfile

REGIONS = (
    "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1 "
    "ap-south-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 sa-east-1"
).split()
LIKE_HOME = ("us-east-2", "us-west-2")
HOME = "us-east-1"
FAMILIES = re.compile(
    r"(t3|t3a|t4g|[mcr][5678][a-z]*(-flex)?|g4dn|g5g?|g6e?|g6f|g7e?|gr6f?|p3|p3dn|p4de?|p5e?n?|p6[a-z0-9-]*|inf[12]|trn[12]n?)\."
)
CUT_SINCE = re.compile(r"p[456]")
# Sizes of a family agree where their multiples differ by less: prices are rounded.
AGREE = 1.006


def main():
    archive, version, new_path, old_path, out = sys.argv[1:]
    karpenter = zipfile.ZipFile(archive)
    home, home_date = read_go(karpenter, "aws")
    government, government_date = read_go(karpenter, "aws_us_gov")
    new, new_date = read_json(new_path)
    old, _ = read_json(old_path)
    for region in LIKE_HOME:
        differ = [name for name, prices in old.items() if prices.get(region, prices.get(HOME)) != prices.get(HOME, prices.get(region))]
        assert not differ, f"{region} is not as {HOME}: {differ[:5]}"

    types = {name: {HOME: price} for name, price in home[HOME].items() if FAMILIES.match(name)}
    for prices in types.values():
        prices.update({region: prices[HOME] for region in LIKE_HOME})
    families = collections.defaultdict(list)
    for name in types:
        families[name.split(".")[0]].append(name)
    compared = wrong = 0
    for family, names in families.items():
        if CUT_SINCE.match(family):
            continue
        for region in [region for region in REGIONS if region != HOME and region not in LIKE_HOME]:
            multiple = multiple_of(names, region, new, types)
            for name in names:
                price = by_family(multiple, new.get(name, {}).get(region), types[name][HOME])
                certain = old.get(name, {})
                if region in certain and certain.get(HOME) == types[name][HOME]:
                    if price:
                        compared += 1
                        wrong += not 1 / AGREE < price / certain[region] < AGREE
                    price = certain[region]
                if price:
                    types[name][region] = price
    for region, prices in government.items():
        for name, price in prices.items():
            if FAMILIES.match(name):
                types.setdefault(name, {})[region] = price

    libcloud = f"Apache Libcloud, families compared with {HOME}"
    sources = [
        {"as_of": home_date, "regions": [HOME, *LIKE_HOME], "source": f"Karpenter {version}"},
        {"as_of": government_date, "regions": sorted(government), "source": f"Karpenter {version}"},
        {"as_of": new_date, "regions": [r for r in REGIONS if r != HOME and r not in LIKE_HOME], "source": libcloud},
    ]
    lines = [f"{json.dumps(name)}: {json.dumps(prices)}" for name, prices in sorted(types.items())]
    with open(out, "w") as file:
        file.write('{\n"sources": ' + json.dumps(sources, indent=1) + ',\n"types": {\n' + ",\n".join(lines) + "\n}\n}\n")
    count = sum(map(len, types.values()))
    print(f"{len(types)} types, {count} prices; {wrong} of {compared} by the rule of families are not as in 2022")


def read_go(archive, partition):
    """Prices by region and type of one of Karpenter's files, and their date."""
    name = next(n for n in archive.namelist() if n.endswith(f"pkg/providers/pricing/zz_generated.pricing_{partition}.go"))
    text = archive.read(name).decode()
    date = re.search(r"generated at (\d{4}-\d\d-\d\d)", text)[1]
    regions = {}
    for line in text.splitlines():
        region = re.match(r'\t"([a-z0-9-]+)": \{', line)
        if region:
            prices = regions.setdefault(region[1], {})
        elif regions:
            prices.update({name: float(price) for name, price in re.findall(r'"([a-z0-9-]+\.[a-z0-9-]+)": ([0-9.]+)', line)})
    return regions, date


def read_json(path):
    """Prices by type and region of one of Libcloud's files, and their date."""
    import datetime

    with open(path) as file:
        found = json.load(file)
    prices = {
        name: {region: float(price) for region, price in by_region.items()}
        for name, by_region in found["compute"]["ec2_linux"].items()
    }
    return prices, datetime.datetime.fromtimestamp(found["updated"], datetime.timezone.utc).strftime("%Y-%m-%d")


def multiple_of(names, region, listed, types):
    """How many times what it costs in us-east-1 a family costs in a region; None where that is not certain."""
    prices = {name: listed.get(name, {}).get(region, 0) for name in names if not name.split(".")[1].startswith("metal")}
    groups = []
    for multiple in sorted(price / types[name][HOME] for name, price in prices.items() if price):
        if groups and multiple / groups[-1][0] < AGREE:
            groups[-1].append(multiple)
        else:
            groups.append([multiple])
    for at, group in enumerate(groups):
        # One alone below others counts where those are by the addition for dedicated tenancy above it.
        is_below = any(1.055 < other[0] / group[0] < 1.105 for other in groups[at + 1 :])
        if len(group) > 1 or is_below:
            return sorted(group)[len(group) // 2]
    return None


def by_family(multiple, price, home):
    """A type's price in a region where the file has the type there at all."""
    if multiple is None or price is None:
        return None
    made = home * multiple
    return price if price and 1 / AGREE < price / made < AGREE else round(made, 4)


main()
